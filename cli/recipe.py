"""`embcheck recipe`: code to copy that does what PyTorch documents."""

from __future__ import annotations

import click

from embcheck.cli.faults import refuse


@click.command()
@click.argument("library", required=False)
@click.option(
    "--feature",
    metavar="NAME",
    help="Print what this feature needs, and no more: bag.mean, say, or padding.gradient.",
)
def recipe(library: str | None, feature: str | None) -> None:
    """Print code for a LIBRARY that looks up and pools as PyTorch documents; or list them.

    Each needs its library alone, and is a backend of its own, as `jax-recipe` is: the suite holds
    it to what it claims. What the library cannot express stands at its top. One-hot rows, and
    gradients where the library computes none, are files of their own: `--feature one_hot` and
    `--feature bag.gradient.mean` print them.

    Exit codes: 0 printed; 2 there is none for that library, or for that feature.
    """
    from embcheck.reports.answers.recipes import (  # noqa: PLC0415  (--help stays quick)
        RecipeError,
        recipe_of,
        recipes,
    )

    if library is None:
        if feature is not None:
            raise click.UsageError("--feature needs a LIBRARY")
        width = max(map(len, recipes()))
        for name, text in recipes().items():
            title = text.lstrip('"').splitlines()[0]
            click.echo(f"{name:{width}}  {title}")
        return
    try:
        click.echo(recipe_of(library, feature), nl=False)
    except RecipeError as error:
        refuse("recipe", error)

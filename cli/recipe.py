"""`embcheck recipe`: code to copy that does what PyTorch documents."""

from __future__ import annotations

import sys
from importlib.resources import files

import click

from embcheck.conformance.exit_codes import ExitCode


@click.command()
@click.argument("library", required=False)
def recipe(library: str | None) -> None:
    """Print code for a LIBRARY that looks up, pools and encodes as PyTorch documents; or list them.

    Each needs its library alone, and is a backend of its own, as `jax-recipe` is: the suite holds
    it to what it claims.

    Exit codes: 0 printed; 2 there is none for that library.
    """
    known = {
        entry.name.removeprefix("with_").removesuffix(".py"): entry
        for entry in files("embcheck.backends.recipes").iterdir()
        if entry.name.startswith("with_") and entry.name.endswith(".py")
    }
    if library is None:
        for name in sorted(known):
            title = known[name].read_text("utf-8").lstrip('"').splitlines()[0]
            click.echo(f"{name}  {title}")
    elif library in known:
        click.echo(known[library].read_text("utf-8"), nl=False)
    else:
        there_are = ", ".join(sorted(known))
        click.echo(f"embcheck recipe: none for '{library}'; there are: {there_are}", err=True)
        sys.exit(ExitCode.USAGE)

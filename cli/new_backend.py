"""`embcheck new-backend`: a distribution with an adapter that runs, to be filled in."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("new-backend")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Write the folder of the distribution here; in the current folder if left out.",
)
@click.option(
    "--embcheck",
    "where",
    metavar="PATH|ADDRESS|index",
    help="Where the distribution is to install embcheck from, as git+https://HOST/embcheck@COMMIT; "
    "from where this one was installed if left out.",
)
def new_backend(name: str, out: Path, where: str | None) -> None:
    """Write a distribution for the backend NAME, as mylib-take or mylib-take@cuda.

    Its adapter asks NumPy and runs at once; put your library in its place. Tests and a workflow of
    GitHub Actions come with it.
    """
    from embcheck.cli.actions.new_backend import new_backend as act  # noqa: PLC0415  (--help stays quick)

    act(name, out, where)

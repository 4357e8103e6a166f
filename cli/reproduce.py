"""`embcheck reproduce`: a standalone script that shows what a case came to, without embcheck."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("case")
@click.option("-b", "--backend", required=True, metavar="[LABEL=]ID[:PYTHON]")
@click.option(
    "--specs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where the case stands; the shipped suite if left out.",
)
def reproduce(case: str, backend: str, specs: tuple[Path, ...]) -> None:
    """Print a script that makes one call through the library's own API and compares the answer.

    CASE is an id as results show it. The script needs the library and NumPy, nothing of embcheck,
    and prints DEPARTS or conforms, before the traceback where the library refuses what is valid; it
    is ready to be pasted in a bug report.
    """
    from embcheck.cli.actions.reproduce import reproduce as act  # noqa: PLC0415  (--help stays quick)

    act(case, backend, specs)

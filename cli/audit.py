"""`embcheck audit`: check a random sample of results against the library alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option(
    "-b",
    "--backend",
    "addresses",
    multiple=True,
    metavar="[LABEL=]ID[:PYTHON]",
    help="Audit these backends only; all of the run if left out.",
)
@click.option(
    "--case",
    "cases",
    multiple=True,
    metavar="ID",
    help="Draw results of this case (repeatable), by its id in reports; * matches anything.",
)
@click.option("--draws", default=60, show_default=True, type=click.IntRange(1), help="Sample size.")
@click.option("--seed", default=0, show_default=True, help="Random seed for the sample.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the scripts here; RUN's folder `audit` if left out.",
)
def audit(**options: Any) -> None:
    """Check a random sample of a RUN's results against the library alone.

    As many departures as passes and unsupported results are drawn. The adapter writes each call
    as a script of its library's own API, which runs without embcheck and the adapter. The script's
    answer is judged like the suite's own. Exits with 1 if a script and the suite disagree.
    """
    from embcheck.cli.actions.audit import audit as act  # noqa: PLC0415  (--help stays quick)

    act(**options)

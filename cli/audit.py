"""`embcheck audit`: results drawn by chance, asked again of the library alone."""

from __future__ import annotations

from pathlib import Path

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
@click.option("--draws", default=60, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same results.")
@click.option(
    "--out",
    default=Path("out/audit"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the scripts are written.",
)
def audit(run: Path, addresses: tuple[str, ...], draws: int, seed: int, out: Path) -> None:
    """Draw results of a RUN by chance, and check each against the library alone.

    Departures, passes and unsupported results are drawn alike. The adapter writes each call as a
    script of its library's own API, which runs without embcheck and the adapter; what comes of it
    is judged like the suite's own answers. Exits with 1 where both do not say the same.
    """
    from embcheck.cli.actions.audit import audit as act  # noqa: PLC0415  (--help stays quick)

    act(run, addresses, draws, seed, out)

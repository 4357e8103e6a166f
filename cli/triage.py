"""`embcheck triage`: write unexplained departures as deviations to fill in."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write BACKEND.yaml here; RUN's folder `triage` if left out.",
)
def triage(run: Path, out: Path | None) -> None:
    """Write a candidate entry for each group of departures in RUN that no deviation explains.

    The cause and the reason are left blank, and a blank one does not load. Reproduce the
    departure, fill in its cause (documented, undocumented, memory-unsafety, composition or
    environment) and the reason, and move the entry to deviations/BACKEND.yaml beside the adapter.
    """
    from embcheck.cli.actions.triage import triage as act  # noqa: PLC0415  (--help stays quick)

    act(run, out)

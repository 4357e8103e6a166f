"""`embcheck triage`: write unexplained departures as deviations to fill in."""

from __future__ import annotations

import sys
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
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415  (--help stays quick)
    from embcheck.conformance.records.run import RecordError, read_runs  # noqa: PLC0415
    from embcheck.reports.merge import merge  # noqa: PLC0415
    from embcheck.reports.triage import candidates, write_candidates  # noqa: PLC0415

    folder = out or (run if run.is_dir() else run.parent) / "triage"
    try:
        merged = merge(read_runs(run))
        found = candidates(merged)
        paths = write_candidates(merged, folder) if found else []
    except RecordError as error:
        click.echo(f"embcheck triage: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        click.echo(f"embcheck triage: cannot write to {folder}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
    cases = sum(len(candidate.cases) for candidate in found)
    click.echo(f"{cases} unexplained departures in {len(found)} groups")
    for path in paths:
        click.echo(path)

"""What `embcheck triage` does; the command itself is in `cli/triage.py`."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.faults import refuse
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.reports.merge import merge
from embcheck.reports.triage import candidates, told, write_candidates


def triage(run: Path, out: Path | None) -> None:
    """Write a candidate entry for each group of departures in RUN that no deviation explains."""
    folder = out or (run if run.is_dir() else run.parent) / "triage"
    try:
        merged = merge(read_runs(run))
        found = candidates(merged)
        paths = write_candidates(merged, folder) if found else []
    except RecordError as error:
        refuse("triage", error)
    except OSError as error:
        refuse("triage", f"cannot write to {folder}: {error.strerror}")
    cases = sum(len(candidate.cases) for candidate in found)
    click.echo(f"{cases:,} unexplained departures in {len(found)} groups")
    for line in told(merged, found):
        click.echo(line)
    for path in paths:
        click.echo(path)

"""What `embcheck merge` does; the command itself is in `cli/merge.py`."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.faults import refuse
from embcheck.conformance.records.claim import InUse
from embcheck.conformance.records.join import join
from embcheck.conformance.records.run import FILE_NAME, RecordError


def merge(directories: tuple[Path, ...], out: Path) -> None:
    """Join the runs in each DIR in one results.jsonl, for one report or one comparison."""
    try:
        runs = join(directories, out)
    except (RecordError, InUse) as error:
        refuse("merge", error)
    except OSError as error:
        refuse("merge", f"cannot write to {out}: {error.strerror}")
    partial = sum(run.partial for run in runs)
    click.echo(f"{len(runs)} runs" + (f", {partial} of them partial" if partial else ""))
    click.echo(out / FILE_NAME)

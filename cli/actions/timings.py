"""What `embcheck timings` does; the command itself is in `cli/timings.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from embcheck.cli.faults import refuse
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.reports.baselines import pair_to_plain, rebased, to_plain
from embcheck.reports.baselines import pairs as all_pairs
from embcheck.reports.terminal.baselines import print_pairs
from embcheck.reports.terminal.summary import print_timings
from embcheck.reports.untrusted import one_line


def timings(
    path: Path, baseline: str | None, ids: Sequence[str], *, pairs: bool, as_json: bool
) -> None:
    """Show the timings of a record against a baseline, or of each pair of backends."""
    if pairs and baseline is not None:
        raise click.UsageError("--pairs compares all backends: leave --baseline out")
    try:
        runs = read_runs(path)
    except RecordError as error:
        refuse("timings", one_line(error, 500))
    try:
        found = rebased(runs, baseline, ids)
        listed = all_pairs(runs, ids) if pairs else []
    except RecordError as error:
        # Unlike those of reading, these messages do not name the file.
        refuse("timings", one_line(f"{path}: {error}", 500))
    if as_json:
        plain = [pair_to_plain(pair) for pair in listed] if pairs else to_plain(found)
        click.echo(json.dumps(plain, indent=2))
        return
    console = Console(highlight=False)
    if pairs:
        print_pairs(listed, console)
    else:
        print_timings(found, console)

"""What `embcheck accept` does; the command itself is in `cli/accept.py`."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.faults import refuse, system_words
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.conformance.records.writer import write_whole
from embcheck.reports.accepted import NotAcceptable, accepted_text
from embcheck.reports.units import plural


def accept(run: Path, kept: Path) -> None:
    """Keep the results of a run as the accepted ones."""
    try:
        runs = read_runs(run)
        text = "".join(accepted_text(runs))
        write_whole(kept, text)
    except RecordError as error:
        refuse("accept", error)
    except NotAcceptable as error:
        refuse("accept", f"{run}: {error}")
    except OSError as error:
        refuse("accept", system_words(error))
    # On stderr, since stdout has only the path, for scripts.
    results = sum(len(found.results) for found in runs if found.header.purpose == "conformance")
    size = len(text.encode()) // 1024
    click.echo(f"accepted: {plural(results, 'result')}, {size:,} KiB; commit the file", err=True)
    click.echo(kept)

"""What `embcheck accept` does; the command itself is in `cli/accept.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from embcheck.cli.faults import system_words
from embcheck.conformance.exit_codes import ExitCode
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
        click.echo(f"embcheck accept: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except NotAcceptable as error:
        click.echo(f"embcheck accept: {run}: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        click.echo(f"embcheck accept: {system_words(error)}", err=True)
        sys.exit(ExitCode.USAGE)
    results = sum(len(found.results) for found in runs if found.header.purpose == "conformance")
    size = len(text.encode()) // 1024
    click.echo(f"accepted: {plural(results, 'result')}, {size:,} KiB; commit the file", err=True)
    click.echo(kept)

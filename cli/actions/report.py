"""What `embcheck report` does; the command itself is in `cli/report.py`."""

from __future__ import annotations

import gc
from pathlib import Path

import click
from rich.console import Console

from embcheck.cli.faults import refuse
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.reports.evidence import EvidenceError, read_evidence
from embcheck.reports.frames import Loaded
from embcheck.reports.merge import merge
from embcheck.reports.page.html import write_html
from embcheck.reports.terminal.summary import print_conformance, print_timings


def report(
    directories: tuple[Path, ...], *, html_path: Path | None, tables: Path | None, quiet: bool
) -> None:
    """Turn the runs in each DIR into one self-contained HTML report, and into tables."""
    written: list[Path] = []
    try:
        runs = merge(run for directory in directories for run in read_runs(directory))
        gc.freeze()  # The data stays alive; scanning it again and again costs a tenth of the time.
        if html_path is not None:
            write_html(runs, html_path, read_evidence(directories))
            written.append(html_path)
        if tables is not None:
            written += Loaded(runs).write(tables)
    except (RecordError, EvidenceError) as error:
        refuse("report", error)
    except OSError as error:
        # A write error does not always name its file.
        where = error.filename or html_path or tables
        refuse("report", f"cannot write {where}: {error.strerror}")
    if not quiet:
        console = Console()
        print_conformance(runs, console)
        print_timings(runs, console)
    for path in written:
        click.echo(path)

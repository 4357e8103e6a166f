"""What `embcheck report` does; the command itself is in `cli/report.py`."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import click
from rich.console import Console

from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.reports.evidence import EvidenceError, read_evidence
from embcheck.reports.html import write_html
from embcheck.reports.merge import merge
from embcheck.reports.terminal import print_conformance, print_timings


def report(directories: tuple[Path, ...], html_path: Path, quiet: bool) -> None:
    """Turn the runs in each DIR into one self-contained HTML report."""
    try:
        runs = merge(run for directory in directories for run in read_runs(directory))
        gc.freeze()  # All that was read lives on; looking at it again and again costs a tenth.
        write_html(runs, html_path, read_evidence(directories))
    except (RecordError, EvidenceError) as error:
        click.echo(f"embcheck report: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        click.echo(f"embcheck report: cannot write {html_path}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
    if not quiet:
        console = Console()
        print_conformance(runs, console)
        print_timings(runs, console)
    click.echo(html_path)

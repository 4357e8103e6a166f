"""What `embcheck check` does; the command itself is in `cli/check.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from embcheck.cli.progress import Progressed
from embcheck.conformance.check_files import check_files
from embcheck.conformance.exit_codes import ExitCode
from embcheck.reports.untrusted import one_line


def check(paths: tuple[Path, ...]) -> None:
    """Validate specs, clauses and workloads; all that is shipped by default."""
    with Progressed("files") as progress:
        found = check_files(
            paths, lambda done, total, file: progress.tell(done, one_line(file), total)
        )
    for problem in found.problems:
        click.echo(str(problem), err=True)
    if found.problems:
        count = len(found.problems)
        click.echo(f"{count} problem{'s' if count > 1 else ''}", err=True)
        sys.exit(ExitCode.USAGE)
    click.echo(found.summary)

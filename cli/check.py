"""`embcheck check`: validate spec files without running anything."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
def check(paths: tuple[Path, ...]) -> None:
    """Validate specs, clauses and workloads, or folders of specs; all that is shipped by default.

    Prints every mistake as file:line:column: what is wrong; what to do.
    """
    from embcheck.conformance.check_files import check_files  # noqa: PLC0415  (NumPy)
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415

    found = check_files(paths)
    for problem in found.problems:
        click.echo(str(problem), err=True)
    if found.problems:
        count = len(found.problems)
        click.echo(f"{count} problem{'s' if count > 1 else ''}", err=True)
        sys.exit(ExitCode.USAGE)
    click.echo(found.summary)

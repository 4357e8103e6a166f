"""`embcheck check`: validate specs, deviations and other files without running anything."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
def check(paths: tuple[Path, ...]) -> None:
    """Validate specs, clauses, workloads and known deviations; all that is shipped by default.

    A PATH is a file, or a folder of specs or of deviations. Prints every mistake as
    file:line:column: what is wrong; what to do.
    """
    from embcheck.cli.actions.check import check as act  # noqa: PLC0415  (--help stays quick)

    act(paths)

"""`embcheck check`: validate spec files without running anything."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
def check(paths: tuple[Path, ...]) -> None:
    """Validate specs, clauses and workloads, or folders of specs; all that is shipped by default.

    Prints every mistake as file:line:column: what is wrong; what to do.
    """
    from embcheck.cli.actions.check import check as act  # noqa: PLC0415  (--help stays quick)

    act(paths)

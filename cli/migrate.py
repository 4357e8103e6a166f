"""`embcheck migrate`: what changes by moving from one backend to another."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("old", metavar="FROM")
@click.argument("new", metavar="TO")
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Compare by these runs, instead of the data that embcheck ships; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def migrate(old: str, new: str, runs: tuple[Path, ...], as_json: bool) -> None:
    """Show what a user of FROM loses and gains in TO, the worst first, grouped by why.

    Exit codes: 0 nothing is worse; 1 something is; 2 an unknown name, or data that cannot be read.
    """
    from embcheck.cli.actions.migrate import migrate as act  # noqa: PLC0415  (--help stays quick)

    act(old, new, runs, as_json=as_json)

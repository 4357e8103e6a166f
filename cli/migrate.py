"""`embcheck migrate`: what changes by moving from one backend to another."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.data_options import json_option, runs_option


@click.command()
@click.argument("old", metavar="FROM")
@click.argument("new", metavar="TO")
@runs_option
@json_option
def migrate(old: str, new: str, runs: tuple[Path, ...], as_json: bool) -> None:
    """Show what a user of FROM loses and gains in TO, the worst first, grouped by why.

    Exit codes: 0 nothing is worse; 1 something is; 2 an unknown name, or data that cannot be read.
    """
    from embcheck.cli.actions.migrate import migrate as act  # noqa: PLC0415  (--help stays quick)

    act(old, new, runs, as_json=as_json)

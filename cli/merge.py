"""`embcheck merge`: the runs of several folders, environments or machines as one."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument(
    "directories", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write results.jsonl here.",
)
def merge(directories: tuple[Path, ...], out: Path) -> None:
    """Join the runs in each DIR in one results.jsonl, for one report or one comparison.

    Runs that cannot be compared are refused, with the reason: of different suites or versions of
    embcheck, one label on two libraries or versions, timings of different machines.
    """
    from embcheck.cli.actions.merge import merge as act  # noqa: PLC0415  (--help stays quick)

    act(directories, out)

"""`embcheck accept`: keep what a run found, to compare later ones with it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--as",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".embcheck/accepted.jsonl"),
    show_default=True,
    metavar="FILE",
    help="Write the accepted record here.",
)
def accept(run: Path, kept: Path) -> None:
    """Keep the results of RUN as the accepted ones, in a small record to commit.

    `embcheck diff FILE RUN --fail-on new` then fails on what is worse. The record has no arrays,
    texts of cases and times; `diff` reads it like any other.
    """
    from embcheck.cli.actions.accept import accept as act  # noqa: PLC0415  (--help stays quick)

    act(run, kept)

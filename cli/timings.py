"""`embcheck timings`: the timings of a run, against any backend that took part."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.shared_options import json_option


@click.command()
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--baseline", metavar="BACKEND", help="Take ratios to this backend.")
@click.option(
    "--workload",
    "ids",
    multiple=True,
    metavar="ID",
    help="Show this workload only (repeatable).",
)
@click.option("--pairs", is_flag=True, help="List each two backends of a cell, with a verdict.")
@json_option
def timings(
    run: Path, baseline: str | None, ids: tuple[str, ...], *, pairs: bool, as_json: bool
) -> None:
    """Show the timings in RUN, a folder or file that `embcheck bench` wrote.

    Ratios, intervals and verdicts are computed from the recorded rounds, so any backend that took
    part can be the baseline. If none is named, it is the run's own. Nothing is timed again.

    Exit codes: 0 shown; 2 no such baseline or workload, or no run that can be read.
    """
    from embcheck.cli.actions.timings import timings as act  # noqa: PLC0415  (--help stays quick)

    act(run, baseline, ids, pairs=pairs, as_json=as_json)

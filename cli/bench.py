"""`embcheck bench`: time workloads on backends, and record ratios with their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from embcheck.cli.bench_own import own_options
from embcheck.cli.shared_options import backends_option

_ASKED = ("backends", "ids", "out", "studies", "curves", "against", "resume")
_SETTINGS = (
    *("profile", "seed", "seconds", "generations"),
    *("baseline", "spelling", "scheme", "timeout"),
)


@click.command()
@backends_option(required=False)
@click.option(
    "--workload",
    "ids",
    multiple=True,
    metavar="ID",
    help="A workload to time (repeatable); all of them if left out.",
)
@click.option(
    "--profile",
    type=click.Choice(["quick", "full", "gpu"]),
    default="quick",
    show_default=True,
    help="quick: small tables, hot. full: full sizes, hot and cold, 1 and all threads. "
    "gpu: sizes for a GPU.",
)
@click.option(
    "--study",
    "studies",
    type=click.Choice(["curves", "prices"]),
    multiple=True,
    help="Time scaling curves, or the cost of single options and spellings (repeatable).",
)
@click.option(
    "--curve",
    "curves",
    multiple=True,
    metavar="ID",
    help="A curve of the study to time (repeatable), such as ROWS; all of them if left out.",
)
@own_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Write results.jsonl here. A conformance run may already be in it.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time for the rounds of one cell, instead of the workload's own.",
)
@click.option(
    "--generations",
    type=click.IntRange(1, 100),
    metavar="COUNT",
    help="Fresh worker processes of each backend. If left out: 5, or 10 with --profile full.",
)
@click.option(
    "--baseline",
    metavar="BACKEND",
    help="Take ratios to this backend, which takes part. If left out: torch-eager if it takes "
    "part, else the first backend.",
)
@click.option(
    "--scheme",
    metavar="SCHEME",
    help="The scheme that stores the table for backends that look up in stored tables only; "
    "docs/quantized.md lists the schemes. If left out: the first that each backend has.",
)
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN",
    help="Time again what changed since this run; exit 1 if it is slower in two runs.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed for the order of backends.")
@click.option(
    "--timeout", default=60.0, metavar="SECONDS", show_default=True, help="Time for one request."
)
def bench(**options: Any) -> None:
    """Time workloads on backends, with ratios to one of them: the baseline.

    numpy-reference judges all answers; it is slow, and timed only where it is named. A backend is
    timed only where its answers are right. Each ratio has a 95 % interval, over rounds that visit
    every backend in ABBA order, and over generations of fresh processes. The verdict is FASTER,
    SLOWER or SAME if the interval, corrected for the number of comparisons, clears a margin of 3 %,
    and if the baseline timed against itself is no different. Otherwise it is INCONCLUSIVE.
    `embcheck timings` shows the same run against any other of its backends.

    With --table and --trace, your own table and indices are timed instead, on all installed
    backends or those that you name. A --study is recorded beside the timings of workloads in the
    same folder; without --workload, only the study runs.
    """
    from embcheck.cli.actions.bench import Asked  # noqa: PLC0415  (--help stays quick)
    from embcheck.cli.actions.bench import bench as act  # noqa: PLC0415
    from embcheck.conformance.timing.clock.settings import TimingSettings  # noqa: PLC0415

    asked = Asked(**{name: options.pop(name) for name in _ASKED})
    settings = TimingSettings(**{name: options.pop(name) for name in _SETTINGS})
    # The rest are the options of a user's own call.
    act(asked, settings, options)

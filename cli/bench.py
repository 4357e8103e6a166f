"""`embcheck bench`: time workloads on backends, and record ratios with their intervals."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.bench_own import own_options


@click.command()
@click.option("-b", "--backend", "backends", multiple=True, metavar="BACKEND")
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
    help="Small tables, hot; full sizes, hot and cold, 1 and all threads; or a GPU's sizes.",
)
@click.option(
    "--study",
    "studies",
    type=click.Choice(["curves", "prices"]),
    multiple=True,
    help="Time scaling curves, or what single semantics and spellings cost (repeatable).",
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
    help="Write results.jsonl here, beside a conformance run's.",
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
    help="Fresh worker processes of each backend: 3 if left out, 10 in full, 5 on a GPU.",
)
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN",
    help="Time again what changed since this run; exit 1 if it became slower, in two runs.",
)
@click.option("--seed", default=0, show_default=True, help="Of the order in which backends run.")
@click.option(
    "--timeout", default=60.0, metavar="SECONDS", show_default=True, help="Time for one request."
)
def bench(
    backends: tuple[str, ...],
    ids: tuple[str, ...],
    profile: str,
    out: Path,
    seconds: float | None,
    generations: int | None,
    resume: bool,
    studies: tuple[str, ...],
    curves: tuple[str, ...],
    against: Path | None,
    seed: int,
    timeout: float,
    **own: str | int | None,
) -> None:
    """Time workloads on backends against a reference: numpy-reference, or else the first named.

    A backend is timed only where its answers are right. Ratios come with a 95 % interval, over
    rounds that visit every backend there and back and over generations of fresh processes. A
    backend is FASTER, SLOWER or the SAME only where the interval says so with 3 % to spare, also
    among the many comparisons of the run, and the reference under a second name comes out the
    SAME; all else is INCONCLUSIVE.

    With --table and --trace, your own table and indices are timed instead, on all backends that
    are installed unless some are named. A --study stands beside the timings of workloads in the
    same folder; without --workload, it is all that is done.
    """
    from embcheck.cli.actions.bench import bench as act  # noqa: PLC0415  (--help stays quick)

    act(
        backends,
        ids,
        profile,
        out,
        seconds,
        generations,
        resume,
        studies,
        curves,
        against,
        seed,
        timeout,
        **own,
    )

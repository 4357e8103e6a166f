"""`embcheck bench`: time workloads on backends, and record ratios with their intervals."""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embcheck.cli.bench_own import installed_backends, own_options, own_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embcheck.conformance.exit_codes import ExitCode
    from embcheck.conformance.timing.clock.cell import Settings
    from embcheck.conformance.timing.workloads.load import Workload
    from embcheck.conformance.timing.workloads.own import Sources

INTERRUPTED = 130
"""What a shell reports for a process that Ctrl-C ended: 128 + SIGINT."""


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
    help="Fresh worker processes of each backend: 3 if left out, 10 in full, 5 on a GPU.",
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

    A backend is timed only where its answers are right. Each ratio has a 95 % interval, over
    rounds that visit every backend in ABBA order, and over generations of fresh processes. The
    verdict is FASTER, SLOWER or SAME if the interval, corrected for the number of comparisons,
    clears a margin of 3 %, and if the reference timed against itself is the SAME. Otherwise it is
    INCONCLUSIVE.

    With --table and --trace, your own table and indices are timed instead, on all installed
    backends or those that you name. A --study is recorded beside the timings of workloads in the
    same folder; without --workload, only the study runs.
    """
    from embcheck.conformance.execution.discovery import (  # noqa: PLC0415  (imports NumPy)
        UnknownBackend,
    )
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.records.run import RecordError  # noqa: PLC0415
    from embcheck.conformance.suite.problems import SpecError  # noqa: PLC0415
    from embcheck.conformance.timing.clock.cell import Settings  # noqa: PLC0415
    from embcheck.conformance.timing.runs.regression import NotComparable  # noqa: PLC0415
    from embcheck.conformance.timing.runs.session import CannotResume  # noqa: PLC0415
    from embcheck.conformance.timing.workloads.load import UnknownWorkload  # noqa: PLC0415
    from embcheck.conformance.timing.workloads.own_files import BadInput  # noqa: PLC0415

    if resume and against is not None:
        raise click.UsageError("a comparison cannot be resumed: leave out --resume")
    if curves and "curves" not in studies:
        raise click.UsageError("--curve needs --study curves")
    settings = Settings(profile, seed, seconds, generations, timeout=timeout)
    sources = own_sources(own, ids)
    if against is None:
        backends = backends or installed_backends(sources)
    elif sources or studies:
        raise click.UsageError("--against compares workloads: leave --table and --study out")
    try:
        if against is not None:
            code = _time_against(against, backends, ids, out, settings)
        else:
            code = _time(backends, ids, out, settings, sources, studies, curves, resume=resume)
    except SpecError as error:
        click.echo(str(error), err=True)
        sys.exit(ExitCode.USAGE)
    except (
        BadInput,
        UnknownBackend,
        UnknownWorkload,
        CannotResume,
        NotComparable,
        RecordError,
    ) as error:
        click.echo(f"embcheck: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except KeyboardInterrupt:
        _show(out)
        advice = "" if against else "; go on with the same command and --resume"
        click.echo(f"embcheck: interrupted{advice}", err=True)
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001  (any other exception is a fault of the harness)
        click.echo(f"embcheck: a fault of the harness\n{traceback.format_exc()}", err=True)
        sys.exit(ExitCode.HARNESS)
    sys.exit(code)


def _time(
    backends: tuple[str, ...],
    ids: tuple[str, ...],
    out: Path,
    settings: Settings,
    sources: Sources | None,
    studies: tuple[str, ...],
    curves: tuple[str, ...],
    *,
    resume: bool,
) -> ExitCode:
    """Time backends on workloads, a user's own or studies; print the results."""
    from embcheck.conformance.exit_codes import ExitCode, gravest  # noqa: PLC0415
    from embcheck.conformance.timing.runs.curves import points_of, select_curves  # noqa: PLC0415
    from embcheck.conformance.timing.runs.price_session import (  # noqa: PLC0415
        PRICED,
        plan_prices,
        run_prices,
    )
    from embcheck.conformance.timing.runs.session import plan_steps, run_timing  # noqa: PLC0415
    from embcheck.conformance.timing.workloads.load import select_workloads  # noqa: PLC0415
    from embcheck.conformance.timing.workloads.own import own_workload  # noqa: PLC0415

    def time_cells(workloads: list[Workload], purpose: str) -> ExitCode:
        with _progress(len(plan_steps(workloads, settings))) as told:
            return run_timing(
                backends, workloads, out, settings, told, resume=resume, purpose=purpose
            )

    codes = [ExitCode.CONFORMS]
    if not studies or ids or sources:
        workloads = [own_workload(sources)] if sources else select_workloads(ids)
        codes.append(time_cells(workloads, "timing"))
    if "curves" in studies:
        drawn = select_curves(curves)
        points = [point for curve in drawn for point in points_of(curve, settings.profile)]
        codes.append(time_cells(points, "curves"))
    if "prices" in studies:
        priced = select_workloads(ids or PRICED)
        with _progress(len(plan_prices(backends, priced, settings))) as told:
            codes.append(run_prices(backends, priced, out, settings, told, resume=resume))
    _show(out)
    return gravest(codes)


def _time_against(
    against: Path, backends: tuple[str, ...], ids: tuple[str, ...], out: Path, settings: Settings
) -> ExitCode:
    """Time what changed since a run, and print the comparison."""
    from rich.console import Console  # noqa: PLC0415

    from embcheck.conformance.timing.runs.regression import read_baseline, run_against  # noqa: PLC0415
    from embcheck.conformance.timing.runs.session import plan_steps  # noqa: PLC0415
    from embcheck.conformance.timing.workloads.load import select_workloads  # noqa: PLC0415
    from embcheck.reports.regressions import print_comparison  # noqa: PLC0415

    base = read_baseline(against)
    settings = replace(settings, profile=str(base.header.settings["profile"]))
    workloads = select_workloads(ids or tuple(base.header.settings["workloads"]))
    names = backends or tuple(str(info["id"]) for info in base.header.backends)
    with _progress(len(plan_steps(workloads, settings))) as told:
        found = run_against(base, names, workloads, out, settings, told)
    print_comparison(found, Console(highlight=False))
    return found.exit_code


@contextmanager
def _progress(total: int) -> Iterator[Callable[[object], None]]:
    """Show progress on stderr, if that is a terminal."""
    from rich.console import Console  # noqa: PLC0415  (the help needs no rich)
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    # Steps are few and long: the last 30 seconds would often contain none to estimate from.
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=3600,
        refresh_per_second=1,
    ) as progress:
        task = progress.add_task("starting", total=total)
        begun = 0

        def told(step: object) -> None:
            nonlocal begun
            progress.update(task, description=str(step), completed=begun)
            begun += 1

        yield told


def _show(out: Path) -> None:
    """Print the timings, and where they are."""
    from rich.console import Console  # noqa: PLC0415

    from embcheck.conformance.records.run import FILE_NAME, read_runs  # noqa: PLC0415
    from embcheck.reports.terminal import print_timings  # noqa: PLC0415

    file = out / FILE_NAME
    if not file.exists():
        return
    print_timings(read_runs(file), Console(highlight=False))
    click.echo(file)

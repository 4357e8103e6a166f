"""What `embcheck bench` does; the command itself is in `cli/bench.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from embcheck.cli.actions import INTERRUPTED
from embcheck.cli.actions.bench_own import (
    check_spelling,
    installed_backends,
    own_sources,
    read_own,
)
from embcheck.cli.progress import Progressed
from embcheck.conformance.contract.call import Observation
from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.execution.absence import NoneAvailable
from embcheck.conformance.execution.address import BadAddress, plain_ids
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.exit_codes import ExitCode, gravest
from embcheck.conformance.near import did_you_mean
from embcheck.conformance.records.claim import InUse, claimed
from embcheck.conformance.records.run import FILE_NAME, RecordError, read_runs
from embcheck.conformance.records.writer import CannotWrite
from embcheck.conformance.suite.problems import SpecError
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.runs.curves import points_of, select_curves
from embcheck.conformance.timing.runs.price_session import PRICED, plan_prices, run_prices
from embcheck.conformance.timing.runs.regression import (
    NotComparableTimings,
    read_baseline,
    run_against,
)
from embcheck.conformance.timing.runs.session import (
    CannotResume,
    plan_steps,
    run_timing,
    with_baseline,
)
from embcheck.conformance.timing.statistics.estimate import FEWEST_GENERATIONS
from embcheck.conformance.timing.verdicts.measurements import said_of_few
from embcheck.conformance.timing.workloads.load import UnknownWorkload, Workload, select_workloads
from embcheck.conformance.timing.workloads.own import Sources
from embcheck.conformance.timing.workloads.own_files import BadInput
from embcheck.reports.merge import merge
from embcheck.reports.terminal.backends import none_text, unavailable_text
from embcheck.reports.terminal.regressions import print_comparison
from embcheck.reports.terminal.summary import print_timings


@dataclass(frozen=True)
class Asked:
    """What to time, on which backends, and the folder for the record."""

    backends: tuple[str, ...]
    ids: tuple[str, ...]
    out: Path
    studies: tuple[str, ...]
    curves: tuple[str, ...]
    against: Path | None
    resume: bool


def bench(asked: Asked, settings: TimingSettings, own: Mapping[str, Any]) -> None:
    """Time workloads on backends, with ratios to one of them; `own` is a user's own call."""
    if asked.resume and asked.against is not None:
        raise click.UsageError("a comparison cannot be resumed: leave out --resume")
    if asked.curves and "curves" not in asked.studies:
        raise click.UsageError("--curve needs --study curves")
    sources = own_sources(own, asked.ids)
    _check_choices(asked, settings, sources)
    with ExitStack() as claim:
        try:
            code = _timed(asked, settings, sources, claim)
        except NoneAvailable as error:
            click.echo(none_text(error.reasons), err=True)
            code = ExitCode.USAGE
        except SpecError as error:
            click.echo(str(error), err=True)
            code = ExitCode.USAGE
        except _REFUSED as error:
            click.echo(f"embcheck: {error}", err=True)
            code = ExitCode.USAGE
        except KeyboardInterrupt:
            with suppress(RecordError):  # There may be no valid record yet.
                _show(asked.out)
            # `--resume` and `--against` exclude each other.
            advice = "" if asked.against else "; go on with the same command and --resume"
            click.echo(f"embcheck: interrupted{advice}", err=True)
            sys.exit(INTERRUPTED)
    sys.exit(code)


_REFUSED = (
    *(BadAddress, BadInput, UnknownBackend, UnknownWorkload, CannotResume),
    *(NotComparableTimings, RecordError, InUse, CannotWrite),
)
"""Errors that stop a run; their messages say what to do."""


def _timed(
    asked: Asked, settings: TimingSettings, sources: Sources | None, claim: ExitStack
) -> ExitCode:
    """Check what can be checked before anything is started, then time."""
    _check_scheme(settings.scheme)
    own_one = None if sources is None else read_own(sources)
    if asked.against is None:
        asked = replace(asked, backends=asked.backends or installed_backends(sources))
    if own_one is not None and settings.spelling is not None:
        timed = with_baseline(asked.backends, settings.baseline)
        check_spelling(settings.spelling, timed, own_one)
    # The run itself makes the folder, once the request is known to be valid.
    if asked.out.is_dir():
        claim.enter_context(claimed(asked.out))
    if asked.against is not None:
        return _time_against(asked.against, asked, settings)
    return _time(asked, settings, own_one)


def _check_scheme(scheme: str | None) -> None:
    if scheme is not None and scheme not in SCHEMES:
        raise BadInput(
            f"there is no scheme '{scheme}'",
            did_you_mean(scheme, SCHEMES, f"give one of: {', '.join(SCHEMES)}"),
        )


def _check_choices(asked: Asked, settings: TimingSettings, sources: Sources | None) -> None:
    """Refuse options that do not go together, and say what cannot be decided; start nothing."""
    if asked.against is not None and (sources or asked.studies):
        raise click.UsageError("--against compares workloads: leave --table and --study out")
    if asked.against is not None and settings.baseline is not None:
        raise click.UsageError("--against takes the baseline of that run: leave --baseline out")
    if sources is None and settings.spelling is not None:
        raise click.UsageError("--spelling is for a call of your own: give --table and --trace")
    if sources and "curves" in asked.studies:
        raise click.UsageError("curves are of shipped workloads: leave --table out")
    if sources and asked.studies and not asked.backends:
        raise click.UsageError("name the backends whose prices you want: -b BACKEND")
    if "prices" in asked.studies and asked.ids and not sources:
        for workload in select_workloads(asked.ids):
            # Its plain call would be training already, and each price a difference from that.
            if workload.observe != (Observation.OUTPUT,):
                told = "prices are differences from a call without training; name R1, say"
                raise click.UsageError(f"{workload.id} times training: {told}")
    if settings.generation_count < FEWEST_GENERATIONS:
        said = said_of_few(settings.generation_count)
        click.echo(f"embcheck: {said}; ratios are shown, all verdicts are INCONCLUSIVE", err=True)


def _time(asked: Asked, settings: TimingSettings, own: Workload | None) -> ExitCode:
    """Time backends on workloads, a user's own or studies; print the results."""
    backends, out, ids, studies = asked.backends, asked.out, asked.ids, asked.studies

    def time_cells(workloads: list[Workload], purpose: str) -> ExitCode:
        with _progress(len(plan_steps(workloads, settings))) as told:
            return run_timing(
                backends, workloads, out, settings, told, resume=asked.resume, purpose=purpose
            )

    codes = [ExitCode.CONFORMS]
    # With a study, workloads are timed only if they are named.
    if not studies or ids:
        workloads = [own] if own else select_workloads(ids)
        codes.append(time_cells(workloads, "timing"))
    if "curves" in studies:
        drawn = select_curves(asked.curves)
        points = [point for curve in drawn for point in points_of(curve, settings.profile)]
        codes.append(time_cells(points, "curves"))
    if "prices" in studies:
        priced = [own] if own else select_workloads(ids or PRICED)
        with _progress(len(plan_prices(backends, priced, settings))) as told:
            codes.append(run_prices(backends, priced, out, settings, told, resume=asked.resume))
    _show(out)
    return gravest(codes)


def _time_against(against: Path, asked: Asked, settings: TimingSettings) -> ExitCode:
    """Time what changed since a run, and print the comparison."""
    base = read_baseline(against)
    # With the earlier run's profile, or the two would not be comparable.
    settings = replace(settings, profile=str(base.header.settings["profile"]))
    workloads = select_workloads(asked.ids or tuple(base.header.settings["workloads"]))
    names = asked.backends or plain_ids(str(info["id"]) for info in base.header.backends)
    with _progress(len(plan_steps(workloads, settings))) as told:
        found = run_against(base, names, workloads, asked.out, settings, told)
    print_comparison(found, Console(highlight=False))
    return found.exit_code


@contextmanager
def _progress(total: int) -> Iterator[Callable[[object], None]]:
    """Show progress on stderr."""
    with Progressed("steps", total, left=True) as progress:
        begun = 0

        def told(step: object) -> None:
            nonlocal begun
            progress.tell(begun, str(step))
            begun += 1

        yield told


def _show(out: Path) -> None:
    """Print the timings, and the path of their record."""
    file = out / FILE_NAME
    if not file.exists():
        return
    merged = merge(read_runs(file))
    print_timings(merged, Console(highlight=False))
    for entry in merged.unavailable:
        click.echo(unavailable_text(entry.id, entry.unavailable))
    click.echo(file)

"""Time a user's own call on backends and recipes, in a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from embcheck.cli.actions.migrate_own import own_workloads
from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.records.run import Run, read_runs
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.runs.session import TimingStep, run_timing
from embcheck.conformance.timing.verdicts.baseline import against, baselines
from embcheck.conformance.timing.workloads.load import Given, Workload
from embcheck.conformance.timing.workloads.own import Sources
from embcheck.reports.migration.own import OwnPrice
from embcheck.reports.units import plural

LONGEST = 0.25
"""A call that takes more seconds is timed on a part of the trace: the gate makes dozens of them."""
ROUNDS_SHARE = 0.4
"""The share of the given time for rounds; the rest goes to starting workers and judging answers."""


@dataclass(frozen=True)
class TimingBudget:
    """The seconds after which no step begins, the seconds for one answer, and the generations."""

    seconds: float
    timeout: float
    generations: int = 3


@dataclass(frozen=True)
class Prices:
    """The times of backends against the first, those of recipes against others, and remarks."""

    prices: tuple[OwnPrice, ...]
    beside: tuple[OwnPrice, ...]
    notes: tuple[str, ...]


class _TimeIsUp(Exception):
    """No further step may begin."""


def priced(
    workloads: tuple[Sources, Sequence[str]],
    backends: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    slowest: float,
    budget: TimingBudget,
    told: Callable[[object], None] = lambda _: None,
) -> Prices:
    """Time the call on backends against the first of them; also compare those of each pair.

    `workloads` are the files and the table dtypes. Each backend must be right for some dtype.
    `slowest` is the time of the slowest call in seconds.
    """
    timed, notes = _short_enough(*workloads, slowest)
    settings = TimingSettings(
        seconds=ROUNDS_SHARE * budget.seconds / len(timed),
        generations=budget.generations,
        baseline=backends[0],
        timeout=budget.timeout,
        ceilings=False,
    )
    with TemporaryDirectory(prefix="embcheck-migrate-") as folder:
        is_whole = _run(backends, timed, Path(folder), settings, budget.seconds, told)
        (run,) = read_runs(Path(folder))
    if not is_whole:
        done = min(sum(line.workload == one.id for line in run.rounds) for one in timed)
        notes.append(f"the time was up after {plural(done, 'generation')} of {budget.generations}")
    dtypes = {workload.id: workload.dtype for workload in timed}
    prices = [_price(line, dtypes[line.workload]) for line in against(run) if _is_meant(line)]
    beside = [_price(line, dtypes[line.workload]) for line in _beside(run, pairs)]
    return Prices(tuple(prices), tuple(one for one in beside if one.ratio), tuple(notes))


def _run(
    backends: Sequence[str],
    workloads: Sequence[Workload],
    folder: Path,
    settings: TimingSettings,
    seconds: float,
    told: Callable[[object], None],
) -> bool:
    """Record a timing run; return whether it came to its end in time."""
    started = time.monotonic()

    def before(step: TimingStep) -> None:
        # The first generation always ends: without it there is no ratio at all.
        if step.generation and time.monotonic() - started > seconds:
            raise _TimeIsUp
        told(step)

    try:
        run_timing(backends, workloads, folder, settings, before)
    except _TimeIsUp:
        return False
    return True


def _short_enough(
    files: Sources, dtypes: Sequence[str], slowest: float
) -> tuple[list[Workload], list[str]]:
    """Return workloads and notes; a trace that takes a backend too long is cut short."""
    found = own_workloads(files, dtypes)
    call = _given(found[0]).calls[0]
    count = len(call.get("offsets", call["indices"]))
    # The share that takes `LONGEST`: the time of a call is about proportional to its indices.
    batch = max(1, int(count * LONGEST / slowest)) if slowest > LONGEST else count
    if batch == count:
        return found, []
    noun = "bag" if found[0].operation.is_bag else "row of indices"
    why = f"one backend takes {slowest:.3g} s for all"
    said = f"timed on the first {plural(batch, noun)} of {count:,}: {why}"
    cut = own_workloads(replace(files, batch=batch), dtypes)
    return [_first_call(workload) for workload in cut], [said]


def _given(workload: Workload) -> Given:
    assert workload.given is not None  # noqa: S101  (that is what an own workload is)
    return workload.given


def _first_call(workload: Workload) -> Workload:
    given = _given(workload)
    # A cold cell takes turns with several traces, but here there is only one.
    profiles = {n: replace(p, states=("hot",)) for n, p in workload.profiles.items()}
    return replace(workload, given=Given(given.table, given.calls[:1]), profiles=profiles)


def _is_meant(line: Measurement) -> bool:
    return line.role in ("candidate", "reference")


def _beside(run: Run, pairs: Sequence[tuple[str, str]]) -> Iterator[Measurement]:
    """Measure each pair by the rounds that both backends took part in."""
    timed = baselines(run)
    for backend, baseline in pairs:
        if baseline in timed:
            found = against(run, baseline)
            yield from (line for line in found if line.backend == backend and _is_meant(line))


def _price(line: Measurement, dtype: str) -> OwnPrice:
    times = line.details.times
    return OwnPrice(
        line.backend,
        dtype,
        line.details.reference or "",
        None if times is None else times.ns_per_call / 1e9,
        line.ratio,
        line.ratio_low,
        line.ratio_high,
        str(line.verdict),
        "; ".join(reason.text for reason in line.reasons),
    )

"""The check whether backends became slower since an earlier run: those that changed are re-timed.

Only ratios to the same baseline on the same machine are compared. Absolute times vary from day to
day, and ratios vary between machines, whose caches differ. A backend became slower if the whole
interval of the change clears the margin, in two independent runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embcheck.conformance.execution.address import plain_ids
from embcheck.conformance.exit_codes import ExitCode, gravest
from embcheck.conformance.records.lines import Measurement, RunHeader
from embcheck.conformance.records.run import RecordError, Run, read_runs
from embcheck.conformance.timing.clock.arms import CANDIDATE
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.runs import identity
from embcheck.conformance.timing.runs.session import (
    PURPOSE,
    Told,
    addressed,
    available,
    describe_backends,
    run_timing,
    with_baseline,
)
from embcheck.conformance.timing.statistics.estimate import (
    FEWEST_GENERATIONS,
    MARGIN,
    Conclusion,
    Estimate,
)
from embcheck.conformance.timing.verdicts.decide import decide
from embcheck.conformance.timing.workloads.load import PROFILES, Workload

REPEAT = "repeat"
Key = tuple[str, str, int | None, str]


class NotComparableTimings(RecordError):
    """A run cannot be compared with this one; the message says why and what to do."""


@dataclass(frozen=True)
class RatioChange:
    """How a ratio to the baseline changed: the new one over the old one, with its interval.

    `verdict` is about that change; `repeated` is that of the second run, None if there was none.
    """

    before: Measurement
    now: Measurement
    ratio: float | None
    low: float | None
    high: float | None
    verdict: Conclusion
    repeated: Conclusion | None = None

    @property
    def is_regression(self) -> bool:
        """Whether both runs say that it became slower."""
        return self.verdict == self.repeated == Conclusion.SLOWER


@dataclass(frozen=True)
class Comparison:
    """The result of a run against an earlier one.

    `unchanged` backends were not timed again; `left_out` says what could not be compared, and why.
    """

    changes: Sequence[RatioChange] = ()
    unchanged: Sequence[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    exit_code: ExitCode = ExitCode.CONFORMS


def read_baseline(path: Path) -> Run:
    """Read the finished timing run of a folder; raises RecordError or NotComparableTimings."""
    runs = [run for run in read_runs(path) if run.header.purpose == PURPOSE]
    if not runs:
        raise NotComparableTimings(f"{path} holds no timing run; write one with `embcheck bench`")
    if runs[-1].footer is None:
        raise NotComparableTimings(f"the run in {path} was interrupted; finish it with --resume")
    if runs[-1].partial:
        raise NotComparableTimings(
            f"the run in {path} is partial: {runs[-1].doubts[0]}; time it again"
        )
    settings = runs[-1].header.settings
    lacking = [name for name in ("profile", "reference", "workloads") if name not in settings]
    if lacking or settings["profile"] not in PROFILES:
        raise NotComparableTimings(f"the run in {path} does not say how it was made; time it again")
    different = identity.machine_differences(
        runs[-1].header.environment, identity.describe_machine()
    )
    if different:
        raise NotComparableTimings(
            f"the run in {path} is of another machine ({'; '.join(different)}), and ratios do not "
            "carry over: time the older version on this one"
        )
    return runs[-1]


def run_against(
    base: Run,
    backends: Sequence[str],
    workloads: Sequence[Workload],
    folder: Path,
    settings: TimingSettings,
    told: Told = lambda _: None,
) -> Comparison:
    """Time again what changed since a run, and twice if it seems slower.

    Backends are as in `run_timing`. Raises NotComparableTimings if the baseline itself changed,
    UnknownBackend, BadAddress, and NoneAvailable.
    """
    # The record may be a stranger's, and an address in it could start any program.
    (reference,) = plain_ids([str(base.header.settings["reference"])])
    places = addressed(with_baseline(backends, reference))
    texts = {label: address.text for label, address in places.items()}
    names = list(dict.fromkeys([reference, *texts]))
    settings = replace(settings, baseline=reference)
    header = describe_backends([*texts.values()], settings.timeout)
    here = available(header.backends, reference)
    # Ratios to two versions of a baseline differ even where nothing else changed.
    if _changed(base.header, header, reference):
        raise NotComparableTimings(f"ratios are to {reference}, which changed: leave out --against")
    known = [name for name in here if identity.backend_identity(base.header, name) is not None]
    changed = [name for name in known if _changed(base.header, header, name)]
    same = _same_workloads(base.header, workloads, settings.profile)
    left_out = {name: "it is not in the earlier run" for name in names if name not in known}
    left_out |= {w.id: "it is another workload now" for w in workloads if w not in same}
    left_out |= {name: "it is unavailable here" for name in names if name not in here}
    unchanged = [name for name in known if name not in changed]
    if not changed or not same:
        return Comparison((), unchanged, left_out)
    again = [texts[name] for name in (reference, *changed)]
    code = run_timing(again, same, folder, settings, told)
    changes = compare(base, _last(folder))
    # A single run sometimes calls a backend slower by chance, so these are timed again.
    slower = [change for change in changes if change.verdict == Conclusion.SLOWER]
    if slower:
        names = list(dict.fromkeys([reference, *(change.now.backend for change in slower)]))
        twice = [texts[name] for name in names]
        code = gravest([code, _repeat(slower, twice, same, folder, settings, told)])
        changes = [_with_repeat(change, base, _last(folder / REPEAT)) for change in changes]
    if any(change.is_regression for change in changes):
        code = gravest([code, ExitCode.DEPARTS])
    return Comparison(changes, unchanged, left_out, code)


def _repeat(
    slower: Sequence[RatioChange],
    backends: Sequence[str],
    workloads: Sequence[Workload],
    folder: Path,
    settings: TimingSettings,
    told: Told,
) -> ExitCode:
    """Time again what seems slower, in other processes and another order."""
    ids = {change.now.workload for change in slower}
    again = [workload for workload in workloads if workload.id in ids]
    other = replace(settings, seed=settings.seed + 1)
    return run_timing(backends, again, folder / REPEAT, other, told)


def _with_repeat(change: RatioChange, base: Run, repeat: Run) -> RatioChange:
    found = {_key(other.now): other.verdict for other in compare(base, repeat)}
    return replace(change, repeated=found.get(_key(change.now)))


def compare(base: Run, now: Run) -> list[RatioChange]:
    """Compare the candidates that two runs have in common, cell by cell."""
    before = {_key(line): line for line in _candidates(base)}
    return [
        compare_lines(before[_key(line)], line) for line in _candidates(now) if _key(line) in before
    ]


def compare_lines(before: Measurement, now: Measurement) -> RatioChange:
    """Compare two ratios; the interval of the change is as wide as both intervals allow.

    The margin is the wider one of both runs. Ratios to different baselines are INCONCLUSIVE.
    """
    lines = (before, now)
    # This run has no figures; whether the earlier one had them does not matter.
    if now.verdict == Conclusion.NOT_TIMED:
        return RatioChange(before, now, None, None, None, Conclusion.NOT_TIMED)
    references = {line.details.reference for line in lines}
    bounds = [(line.ratio, line.ratio_low, line.ratio_high) for line in lines]
    few = any(_generations(line) < FEWEST_GENERATIONS for line in lines)
    if few or len(references) > 1 or any(bound is None for three in bounds for bound in three):
        return RatioChange(before, now, None, None, None, Conclusion.INCONCLUSIVE)
    (was, was_low, was_high), (is_, low, high) = bounds
    # mypy does not see that all bounds were compared with None above.
    found = Estimate(is_ / was, low / was_high, high / was_low)  # type: ignore[operator]
    resolutions = [line.details.resolution for line in lines]
    margin = max(one.resolution if one else MARGIN for one in resolutions)
    return RatioChange(before, now, found.ratio, found.low, found.high, decide(found, margin))


def _generations(line: Measurement) -> int:
    """Return how many processes timed a line; if an older record does not say, enough to decide."""
    rounds = line.details.rounds
    return rounds.generations if rounds else FEWEST_GENERATIONS


def _candidates(run: Run) -> Iterable[Measurement]:
    return (line for line in run.measurements if line.role == CANDIDATE)


def _key(line: Measurement) -> Key:
    return line.workload, line.state, line.threads, line.backend


def _changed(base: RunHeader, header: RunHeader, name: str) -> bool:
    return identity.backend_identity(base, name) != identity.backend_identity(header, name)


def _same_workloads(base: RunHeader, workloads: Sequence[Workload], profile: str) -> list[Workload]:
    known: Mapping[str, Any] = base.settings.get("workloads", {})
    now = identity.workload_hashes(workloads, profile)
    return [w for w in workloads if isinstance(known, Mapping) and known.get(w.id) == now[w.id]]


def _last(folder: Path) -> Run:
    return [run for run in read_runs(folder) if run.header.purpose == PURPOSE][-1]

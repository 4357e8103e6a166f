"""Ratios and verdicts of a finished run against another baseline, from the recorded rounds.

Every round visits every backend, so the rounds hold the ratio of any two of them. The A/A row stays
what was timed, the run's own baseline against itself. It shows how small a difference the cell can
resolve, whichever two backends are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from embcheck.conformance.records.details import Lost
from embcheck.conformance.records.lines import Measurement, RoundsLine
from embcheck.conformance.records.run import RecordError, Run
from embcheck.conformance.timing.clock.arms import A_A, CANDIDATE, REFERENCE, SENTINEL
from embcheck.conformance.timing.verdicts.decide import Because
from embcheck.conformance.timing.verdicts.figures import impossible, with_figures
from embcheck.conformance.timing.verdicts.measurements import measurements
from embcheck.conformance.timing.verdicts.trust import row_of

_ROLES = (REFERENCE, CANDIDATE)


def baselines(run: Run) -> list[str]:
    """List the backends that were timed in any cell of a run, in the order of its header."""
    timed = {arm.backend for line in run.rounds for arm in line.arms.values() if arm.role in _ROLES}
    return [name for name in _backends(run) if name in timed]


def against(run: Run, baseline: str | None = None) -> list[Measurement]:
    """Return a run's measurements with ratios to a baseline; to its own if none is named.

    Raises RecordError if the run has no rounds, if they cannot be measured, or if the baseline was
    not timed.
    """
    if not run.rounds:
        raise RecordError("it holds no rounds: write some with `embcheck bench`")
    known = baselines(run)
    if baseline is not None and baseline not in known:
        timed = ", ".join(known) or "no backend"
        raise RecordError(f"'{baseline}' was not timed; timed were: {timed}")
    lines = run.rounds if baseline is None else [_turned(line, baseline) for line in run.rounds]
    try:
        return _measured(run, lines)
    # Records come from strangers: rounds that fit the schema may still hold impossible numbers.
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        said = f"its rounds cannot be measured ({type(error).__name__}: {error})"
        raise RecordError(said) from None


def _backends(run: Run) -> list[str]:
    return [str(info.get("id", "?")) for info in run.header.backends]


def _measured(run: Run, lines: Sequence[RoundsLine]) -> list[Measurement]:
    """Measure rounds as the run did, with the same rates called impossible."""
    count = int(run.header.settings.get("generations") or 1 + max(one.generation for one in lines))
    backends = _backends(run)
    found = with_figures(measurements(lines, backends, count), lines)
    faults = {row_of(found[place]): said for place, said in impossible(found, lines, {}).items()}
    # The run measured the machine again before it withdrew a verdict, which cannot be repeated
    # here. So a rate that it did not call impossible is not called so now.
    recorded = {_who(one): Because.IMPOSSIBLE in one.flags for one in run.measurements}
    faults = {
        row_of(one): faults[row_of(one)]
        for one in found
        if row_of(one) in faults and recorded.get(_who(one), True)
    }
    if not faults:
        return found
    return with_figures(measurements(lines, backends, count, faults), lines)


def _who(line: Measurement) -> tuple[str, str, int | None, str, str]:
    """Name a row by what does not depend on the baseline."""
    # The same backend may have either role, depending on the baseline.
    role = CANDIDATE if line.role == REFERENCE else line.role
    return line.workload, line.state, line.threads, line.backend, role


def _turned(line: RoundsLine, baseline: str) -> RoundsLine:
    """Return rounds in which another backend has the baseline's role."""
    arms = {
        key: replace(arm, role=_role(arm.backend, arm.role, baseline))
        for key, arm in line.arms.items()
    }
    return replace(line, reference=baseline, arms=arms, lost=tuple(_lost(line.lost, baseline)))


def _lost(lost: Iterable[Lost], baseline: str) -> Iterable[Lost]:
    return (replace(one, role=_role(one.backend, one.role, baseline)) for one in lost)


def _role(backend: str, role: str, baseline: str) -> str:
    if role in (A_A, SENTINEL):
        return role
    return REFERENCE if backend == baseline else CANDIDATE

"""The resolution of a run: A/A rows, disturbed rounds, busy idle workers, many comparisons.

A difference no larger than the reference's own does not count. If a cell's A/A row is not SAME,
its interval replaces the margin: a difference within it is INCONCLUSIVE, and a backend that takes a
tenth of the time is still FASTER. Disturbed rounds count by how far they moved the sentinel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.timing.clock.arms import A_A, REFERENCE
from embcheck.conformance.timing.statistics.estimate import (
    MARGIN,
    MAX_FLAGGED,
    Conclusion,
    Estimate,
    conclude,
    withstand,
)

MAX_IDLE_CPU = 0.01
"""Largest CPU share of an idle worker, of one core."""

BIAS, RESTLESS, MANY = "a/a", "idle-cpu", "many-comparisons"


@dataclass(frozen=True)
class Judged:
    """A measurement with the estimate of its ratio, and the margin that it is judged by."""

    line: Measurement
    found: Estimate | None = None
    margin: float = MARGIN

    @property
    def is_fixed(self) -> bool:
        """Whether the verdict is not about a difference from the reference."""
        return self.line.role in (REFERENCE, A_A) or self.line.verdict == Conclusion.NOT_TIMED

    def undecided(self, reason: str, flag: str) -> Judged:
        """Make a verdict INCONCLUSIVE, with the reason; the figures stay."""
        if self.line.verdict == Conclusion.NOT_TIMED:
            return self
        verdict = self.line.verdict if self.is_fixed else Conclusion.INCONCLUSIVE
        line = replace(
            self.line,
            verdict=verdict,
            message=join(self.line.message, reason),
            flags=(*self.line.flags, flag),
        )
        return replace(self, line=line)

    def coarser(self, limit: float, reason: str, flags: Iterable[str]) -> Judged:
        """Judge again by a wider margin, in logs: FASTER and SLOWER must clear it, SAME cannot.

        The figures stay; `details.resolution` is the margin as a ratio less 1.
        """
        line = replace(self.line, flags=tuple(dict.fromkeys((*self.line.flags, *flags))))
        if self.is_fixed or self.found is None or limit <= math.log1p(self.margin):
            return replace(self, line=line)
        resolution = math.expm1(limit)
        verdict = conclude(self.found, resolution)
        if verdict == Conclusion.SAME or line.verdict == Conclusion.INCONCLUSIVE:
            verdict = Conclusion.INCONCLUSIVE
        note = f"only differences over {resolution:.0%} count: {reason}"
        before = str(line.details.get("resolution_note", ""))
        line = replace(
            line,
            verdict=verdict,
            message=join(line.message.removesuffix(before).rstrip("; "), note),
            details={**line.details, "resolution": resolution, "resolution_note": note},
        )
        return Judged(line, self.found, resolution)


def limit_verdicts(
    cell: Sequence[Judged], flagged: Sequence[Sequence[str]], drift: float
) -> list[Judged]:
    """Keep only the verdicts of a cell that its A/A row and its noise allow.

    `flagged` names what disturbed each round; `drift` is how far, in logs, the sentinel was off
    its median in the worst tenth of them.
    """
    twin = next(one for one in cell if one.line.role == A_A)
    if twin.found is None:
        return [one.undecided(f"the A/A row is {twin.line.verdict}", BIAS) for one in cell]
    if twin.line.verdict != Conclusion.SAME:
        cell = [one.coarser(reach(twin.found), _said(twin.found), [BIAS]) for one in cell]
    share = sum(map(bool, flagged)) / len(flagged) if flagged else 0.0
    if share > MAX_FLAGGED:
        kinds = sorted({name for names in flagged for name in names})
        said = f"{share:.0%} of the rounds were disturbed ({', '.join(kinds)})"
        cell = [one.coarser(drift, said, kinds) for one in cell]
    for restless in cell:
        idle = restless.line.details.get("idle_cpu_share") or 0.0
        if idle > MAX_IDLE_CPU:
            said = f"{restless.line.backend} used {idle:.0%} of a core while others were timed"
            cell = [one.undecided(said, RESTLESS) for one in cell]
    return list(cell)


def limit_run(judged: Sequence[Judged]) -> list[Judged]:
    """Apply the worst false difference of any A/A row to all cells of a run."""
    wrong = biased(judged)
    if wrong is None or wrong.found is None:
        return list(judged)
    said = f"in {wrong.line.workload} ({wrong.line.state}) {_said(wrong.found)}"
    limit = reach(wrong.found)
    return [
        one.coarser(limit, said, [BIAS]) if _cell(one) != _cell(wrong) else one for one in judged
    ]


def biased(judged: Iterable[Judged]) -> Judged | None:
    """Find the A/A row with the largest significant difference; None if there is none.

    Significant among all A/A rows, since one of many is off by chance now and then.
    """
    rows = [one for one in judged if one.line.role == A_A and one.found]
    wrong = (Conclusion.FASTER, Conclusion.SLOWER)
    doubts = [_doubt(one) if one.line.verdict in wrong else 1.0 for one in rows]
    sure = [one for one, holds in zip(rows, withstand(doubts), strict=True) if holds]
    return max(sure, key=lambda one: reach(one.found), default=None)


def correct(judged: Sequence[Judged]) -> list[Judged]:
    """Withdraw verdicts that are not significant among all comparisons of a run.

    Verdicts on the reference itself are not included; see `estimate.withstand`.
    """
    decided = [
        place
        for place, one in enumerate(judged)
        if not one.is_fixed and one.found and one.line.verdict != Conclusion.INCONCLUSIVE
    ]
    count = sum(not one.is_fixed and one.found is not None for one in judged)
    doubts = [_doubt(judged[place]) for place in decided]
    # An undecided verdict is a comparison too, with the largest p-value.
    held = withstand([*doubts, *[1.0] * (count - len(doubts))])
    said = f"one of {count} comparisons, and not significant among so many"
    corrected = list(judged)
    for place, doubt, holds in zip(decided, doubts, held, strict=False):
        line = replace(judged[place].line)
        line = replace(line, details={**line.details, "p_value": doubt, "comparisons": count})
        one = replace(judged[place], line=line)
        corrected[place] = one if holds else one.undecided(said, MANY)
    return corrected


def reach(found: Estimate | None) -> float:
    """Return how far, in logs, an interval goes from 1; 0 for none."""
    return max(abs(math.log(found.low)), abs(math.log(found.high))) if found else 0.0


def _doubt(one: Judged) -> float:
    return one.found.doubt(Conclusion(one.line.verdict), one.margin) if one.found else 1.0


def _cell(one: Judged) -> tuple[str, str, int | None]:
    return one.line.workload, one.line.state, one.line.threads


def _said(twin: Estimate) -> str:
    said = f"{twin.ratio:.3f} ({twin.low:.3f} to {twin.high:.3f})"
    return f"the reference against itself gave {said}"


def join(*parts: str) -> str:
    """Join reasons, leaving out the empty ones."""
    return "; ".join(part for part in parts if part)

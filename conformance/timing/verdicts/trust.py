"""The resolution of a run: A/A rows, disturbed rounds, busy idle workers, many comparisons.

A difference no larger than the baseline's own does not count. If a cell's A/A row shows that the
baseline differs from itself, that replaces the margin: a smaller difference is INCONCLUSIVE, and a
backend that takes a tenth of the time is still FASTER. Disturbed rounds count by how far they moved
the sentinel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from embcheck.conformance.records.details import Multiplicity, Resolution
from embcheck.conformance.records.lines import Measurement, Reason
from embcheck.conformance.timing.clock.arms import A_A, REFERENCE
from embcheck.conformance.timing.statistics.estimate import (
    MAX_FLAGGED,
    Conclusion,
    Estimate,
    withstand,
)
from embcheck.conformance.timing.verdicts.decide import Because, Doubt, Limit, decide, margin_of

MAX_IDLE_CPU = 0.01
"""Largest CPU share of an idle worker, of one core."""


Row = tuple[str, str, int | None, str, str]
"""A row of a run: its workload, cache state, number of threads, backend and role."""


def row_of(line: Measurement) -> Row:
    """Name the row of a measurement."""
    return line.workload, line.state, line.threads, line.backend, line.role


@dataclass(frozen=True)
class Judged:
    """A measurement, the estimate of its ratio, and what was found against it, in order.

    The verdict of `bare` says only whether it was timed; `line` has the final one.
    """

    bare: Measurement
    found: Estimate | None = None
    against: tuple[Limit | Doubt, ...] = ()
    multiplicity: Multiplicity | None = None

    @property
    def is_timed(self) -> bool:
        """Whether there are figures."""
        return self.bare.verdict != Conclusion.NOT_TIMED

    @property
    def is_compared(self) -> bool:
        """Whether the verdict is about a difference from the baseline."""
        return self.is_timed and self.bare.role not in (REFERENCE, A_A) and self.found is not None

    @property
    def is_of_few(self) -> bool:
        """Whether there were too few processes to decide anything, or to know a margin."""
        return any(isinstance(one, Doubt) and one.few for one in self.against)

    @property
    def margin(self) -> float:
        """The margin that a difference must clear, as a ratio less 1."""
        return margin_of(self._limits)[0]

    @property
    def verdict(self) -> Conclusion:
        """The verdict; on the baseline's own rows, limits and most doubts have no effect."""
        if not self.is_timed:
            return Conclusion.NOT_TIMED
        is_impossible = any(_is_impossible(one) for one in self.against)
        if self.bare.role == REFERENCE:
            return Conclusion.INCONCLUSIVE if is_impossible else Conclusion.SAME
        if self.is_of_few:
            return Conclusion.INCONCLUSIVE
        if self.bare.role == A_A:
            return decide(self.found, doubted=is_impossible)
        doubted = any(isinstance(one, Doubt) for one in self.against)
        return decide(self.found, self.margin, doubted=doubted)

    @property
    def line(self) -> Measurement:
        """The measurement with its verdict, the reasons, and the flags; the figures stay."""
        margin, widest = margin_of(self._limits)
        flags, reasons, details = self.bare.flags, list(self.bare.reasons), self.bare.details
        for one in self.against:
            if isinstance(one, Limit):
                flags = tuple(dict.fromkeys((*flags, *one.flags)))
            elif self.is_timed:
                flags = (*flags, one.kind)
                reasons.append(Reason(one.kind, one.text))
            if one is widest:
                note = f"only differences over {_margin_text(margin)} count: {widest.text}"
                reasons.append(Reason(Because.RESOLUTION, note))
                details = replace(details, resolution=Resolution(margin, note))
        if self.multiplicity is not None:
            details = replace(details, multiplicity=self.multiplicity)
        verdict, hoped = self.verdict, self.bare.break_even_calls
        return replace(
            with_reasons(self.bare, reasons),
            verdict=verdict,
            flags=flags,
            # Only a backend that is certainly faster pays back a longer preparation.
            break_even_calls=hoped if verdict == Conclusion.FASTER else None,
            details=details,
        )

    @property
    def _limits(self) -> list[Limit]:
        """The limits that a difference must clear; none if no difference is judged."""
        if not self.is_compared or self.is_of_few:
            return []
        return [one for one in self.against if isinstance(one, Limit)]

    def but(self, *against: Limit | Doubt) -> Judged:
        """Return the same row with further limits and doubts."""
        return replace(self, against=(*self.against, *against))


def withdraw(cell: Sequence[Judged], impossible: Mapping[Row, str]) -> list[Judged]:
    """Withdraw the verdicts on impossible rates; if the baseline has one, all of the cell."""
    found = []
    for one in cell:
        own = impossible.get(row_of(one.bare))
        base = [
            f"the {other.bare.role} row's rate is impossible: {impossible[row_of(other.bare)]}"
            for other in cell
            if other.bare.role == REFERENCE and row_of(other.bare) in impossible
        ]
        said = [own] if own is not None else base
        found.append(one.but(*(Doubt(Because.IMPOSSIBLE, text) for text in said)))
    return found


def limit_verdicts(
    cell: Sequence[Judged], flagged: Sequence[Sequence[str]], drift: float
) -> list[Judged]:
    """Keep only the verdicts of a cell that its A/A row and its noise allow.

    `flagged` names what disturbed each round; `drift` is how far, in logs, the sentinel was off
    its median in the worst tenth of them.
    """
    twin = next(one for one in cell if one.bare.role == A_A)
    if twin.found is None:
        doubt = Doubt(Because.BIAS, f"the A/A row is {twin.verdict}")
        return [one.but(doubt) for one in cell]
    against: list[Limit | Doubt] = []
    if twin.verdict != Conclusion.SAME:
        against.append(Limit(false_difference(twin.found), _said(twin), (Because.BIAS,)))
    share = sum(map(bool, flagged)) / len(flagged) if flagged else 0.0
    if share > MAX_FLAGGED:
        kinds = sorted({name for names in flagged for name in names})
        said = f"{share:.0%} of the rounds were disturbed ({', '.join(kinds)})"
        against.append(Limit(drift, said, tuple(kinds)))
    for one in cell:
        rounds = one.bare.details.rounds
        idle = (rounds.idle_cpu_share if rounds else None) or 0.0
        if idle > MAX_IDLE_CPU:
            said = f"{one.bare.backend} used {idle:.0%} of a core while others were timed"
            against.append(Doubt(Because.RESTLESS, said))
    return [one.but(*against) for one in cell]


def limit_run(judged: Sequence[Judged]) -> list[Judged]:
    """Apply the worst false difference of any A/A row to all cells of a run."""
    wrong = biased(judged)
    if wrong is None or wrong.found is None:
        return list(judged)
    said = f"in {wrong.bare.workload} ({wrong.bare.state}) {_said(wrong)}"
    limit = Limit(reach(wrong.found), said, (Because.BIAS,))
    return [one.but(limit) if _cell(one) != _cell(wrong) else one for one in judged]


def biased(judged: Iterable[Judged]) -> Judged | None:
    """Find the A/A row with the largest significant difference; None if there is none.

    It must be significant among all A/A rows, since one of many is sometimes off by chance.
    """
    rows = [one for one in judged if one.bare.role == A_A and one.found]
    wrong = (Conclusion.FASTER, Conclusion.SLOWER)
    doubts = [_doubt(one) if one.verdict in wrong else 1.0 for one in rows]
    sure = [one for one, holds in zip(rows, withstand(doubts), strict=True) if holds]
    return max(sure, key=lambda one: reach(one.found), default=None)


def correct(judged: Sequence[Judged]) -> list[Judged]:
    """Withdraw verdicts that are not significant among all comparisons of a run.

    Verdicts on the baseline itself are not included; see `estimate.withstand`.
    """
    compared = [place for place, one in enumerate(judged) if one.is_compared]
    decided = [p for p in compared if judged[p].verdict != Conclusion.INCONCLUSIVE]
    count = len(compared)
    doubts = [_doubt(judged[place]) for place in decided]
    # An undecided verdict is a comparison too, with the largest p-value.
    held = withstand([*doubts, *[1.0] * (count - len(doubts))])
    said = f"one of {count} comparisons, and not significant among so many"
    corrected = list(judged)
    for place, doubt, holds in zip(decided, doubts, held, strict=False):
        one = replace(judged[place], multiplicity=Multiplicity(doubt, count))
        corrected[place] = one if holds else one.but(Doubt(Because.MANY, said))
    return corrected


def false_difference(found: Estimate) -> float:
    """Return the largest difference, in logs, that an A/A row other than SAME makes meaningless.

    If the row's interval excludes 1, the baseline differs from itself, and the interval's far end
    is returned. Otherwise it is the difference that the row found. How imprecise the row is does
    not count: a comparison that is as imprecise has an interval as wide, and to add both would hide
    differences of several times that.
    """
    if found.low > 1 or found.high < 1:
        return reach(found)
    return abs(math.log(found.ratio))


def reach(found: Estimate | None) -> float:
    """Return how far, in logs, an interval goes from 1; 0 without an estimate."""
    return max(abs(math.log(found.low)), abs(math.log(found.high))) if found else 0.0


def _margin_text(margin: float) -> str:
    """Return a margin in percent, or as a factor if it is 100 % or more."""
    return f"{margin:.0%}" if margin < 1 else f"a factor of {1 + margin:.3g}"


def _is_impossible(one: Limit | Doubt) -> bool:
    return isinstance(one, Doubt) and one.kind == Because.IMPOSSIBLE


def _doubt(one: Judged) -> float:
    return one.found.doubt(one.verdict, one.margin) if one.found else 1.0


def _cell(one: Judged) -> tuple[str, str, int | None]:
    return one.bare.workload, one.bare.state, one.bare.threads


def _said(twin: Judged) -> str:
    found = twin.found
    said = "" if found is None else f"{found.ratio:.3f} ({found.low:.3f} to {found.high:.3f})"
    return f"{twin.bare.backend} against itself gave {said}"


def with_reasons(line: Measurement, reasons: Iterable[Reason]) -> Measurement:
    """Return a line with reasons, whose texts become its message."""
    reasons = tuple(reasons)
    return replace(line, reasons=reasons, message="; ".join(one.text for one in reasons))

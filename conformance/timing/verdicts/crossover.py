"""The point of a curve at which one backend becomes faster than another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from embcheck.conformance.timing.clock.arms import CANDIDATE, REFERENCE
from embcheck.conformance.timing.statistics.estimate import (
    LOOK_RESAMPLES,
    Conclusion,
    Estimate,
    estimate,
    log_ratios,
)
from embcheck.conformance.timing.verdicts.decide import decide
from embcheck.conformance.timing.verdicts.raw import CellRecord


@dataclass(frozen=True)
class Crossover:
    """A range of values from `low`, where one backend is faster, to `high`, where the other is.

    Between them neither is certainly faster. `at` is where the ratio is 1 on the straight line
    between both log ratios, drawn over the log of the value, or over the value if `low` is 0.
    """

    faster_below: str
    faster_above: str
    low: float
    high: float
    at: float


Point = tuple[float, CellRecord]


def crossovers(points: Sequence[Point], backends: Sequence[str]) -> list[Crossover]:
    """Find the crossovers of every pair of backends; each is faster by over 3 % on its side."""
    return [
        found for pair in combinations(backends, 2) for found in _of_pair(sorted_(points), *pair)
    ]


def sorted_(points: Sequence[Point]) -> list[Point]:
    """Order points by their value."""
    return sorted(points, key=lambda point: point[0])


def _of_pair(points: Sequence[Point], one: str, other: str) -> Iterator[Crossover]:
    before: tuple[float, Estimate, Conclusion] | None = None
    for value, record in points:
        found = _compare(record, one, other)
        if found is None:
            continue
        verdict = decide(found)
        # A point where neither is certainly faster only widens the range of the crossover.
        if verdict not in (Conclusion.FASTER, Conclusion.SLOWER):
            continue
        if before is not None and before[2] != verdict:
            at = _where(before[0], before[1].ratio, value, found.ratio)
            first, second = (one, other) if before[2] == Conclusion.FASTER else (other, one)
            yield Crossover(first, second, before[0], value, at)
        before = (value, found, verdict)


def _compare(record: CellRecord, one: str, other: str) -> Estimate | None:
    """Return the ratio of two backends' times in the same rounds; None if one was not timed."""
    keys = [_key(record, name) for name in (one, other)]
    if keys[0] is None or keys[1] is None:
        return None
    pairs = zip(*(record.seconds_per_call(key) for key in keys if key), strict=True)
    # A curve has many points and pairs, so fewer resamples must do.
    return estimate([log_ratios(*pair) for pair in pairs], resamples=LOOK_RESAMPLES)


def _key(record: CellRecord, backend: str) -> str | None:
    return record.key(backend, CANDIDATE) or record.key(backend, REFERENCE)


def _where(low: float, ratio_low: float, high: float, ratio_high: float) -> float:
    share = math.log(ratio_low) / (math.log(ratio_low) - math.log(ratio_high))
    # An exponent of Zipf's law may be 0, which has no logarithm.
    if low <= 0:
        return low + share * (high - low)
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))

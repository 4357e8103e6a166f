"""The verdict of a comparison, by its estimate and the limits and doubts against it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from embcheck.conformance.timing.statistics.estimate import (
    MARGIN,
    Conclusion,
    Estimate,
    conclude,
)


class Because(StrEnum):
    """What a reason is about; some of these are flags too."""

    LOST = "lost"
    NO_REFERENCE = "no-reference"
    CACHE = "cache"
    RESOLUTION = "resolution"
    BIAS = "a/a"
    RESTLESS = "idle-cpu"
    MANY = "many-comparisons"
    PARTIAL = "generations"
    THREADS = "threads"
    THROTTLED = "throttled"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True)
class Limit:
    """A reason why differences up to `reach`, in logs, do not count; `flags` name its causes."""

    reach: float
    text: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Doubt:
    """A reason why nothing can be decided; `few` if it is that there were too few processes."""

    kind: Because
    text: str
    few: bool = False


def margin_of(limits: Iterable[Limit]) -> tuple[float, Limit | None]:
    """Return the margin that a difference must clear, as a ratio less 1, and what widened it."""
    # Limits are not added up: the widest covers the others.
    widest = max(limits, key=lambda limit: limit.reach, default=None)
    if widest is None or widest.reach <= math.log1p(MARGIN):
        return MARGIN, None
    return math.expm1(widest.reach), widest


def decide(found: Estimate | None, margin: float = MARGIN, *, doubted: bool = False) -> Conclusion:
    """Return the verdict on a ratio: FASTER and SLOWER must clear the margin.

    With a margin wider than MARGIN, nothing is SAME. Without an estimate, or in doubt, the verdict
    is INCONCLUSIVE.
    """
    if found is None or doubted:
        return Conclusion.INCONCLUSIVE
    verdict = conclude(found, margin)
    if verdict == Conclusion.SAME and margin > MARGIN:
        return Conclusion.INCONCLUSIVE
    return verdict

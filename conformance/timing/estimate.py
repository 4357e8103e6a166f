"""From rounds to a ratio, its interval and a verdict; pure functions of numbers.

The unit is a round's folded log ratio: the mean of the logs of a backend's two block times (there
and back), less the reference's. Folding cancels a drift that is linear within the round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

MARGIN = 0.03
LEVEL = 0.95
RESAMPLES = 2000
SEED = 20260101
MAX_FLAGGED = 0.30


class Conclusion(StrEnum):
    """What a timing came to against the reference."""

    FASTER = "FASTER"
    SLOWER = "SLOWER"
    SAME = "SAME"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_TIMED = "NOT TIMED"


@dataclass(frozen=True)
class Estimate:
    """The median ratio of times, and the bounds of its interval at `LEVEL`."""

    ratio: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval's width, in logs: 0.02 is about 2 %."""
        return float(np.log(self.high / self.low) / 2)


def fold(blocks: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return each round's mean log time, from its two seconds per call: there and back."""
    return np.asarray(np.log(np.asarray(blocks, dtype=np.float64)).mean(axis=1))


def log_ratios(
    candidate: Sequence[tuple[float, float]], reference: Sequence[tuple[float, float]]
) -> np.ndarray:
    """Return each round's folded log ratio of a candidate to the reference."""
    return np.asarray(np.subtract(fold(candidate), fold(reference)))


def estimate(samples: np.ndarray, seed: int = SEED, level: float = LEVEL) -> Estimate:
    """Return exp of the median of log ratios, with a percentile bootstrap interval over rounds.

    The medians of resamples are those of Efron and Tibshirani, An Introduction to the Bootstrap,
    chapter 13. More processes of a backend will be one more level of resampling above the rounds.
    """
    count = len(samples)
    picks = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    medians = np.median(samples[picks], axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return Estimate(*(float(np.exp(value)) for value in (np.median(samples), low, high)))


def conclude(found: Estimate, margin: float = MARGIN) -> Conclusion:
    """Return the verdict of an interval; the margin is the same in both directions, in logs."""
    limit = np.log1p(margin)
    low, high = np.log(found.low), np.log(found.high)
    if high < -limit:
        return Conclusion.FASTER
    if low > limit:
        return Conclusion.SLOWER
    if low >= -limit and high <= limit:
        return Conclusion.SAME
    return Conclusion.INCONCLUSIVE

"""From rounds to a ratio, its interval and a verdict; pure functions of numbers.

The unit is a round's folded log ratio: the mean of the logs of a backend's two block times (there
and back), less the baseline's. Folding cancels a drift that is linear within the round.

There are two levels: rounds, and the generations of worker processes that ran them. There are many
rounds, which are resampled. There are three to ten generations. A bootstrap of three numbers is
their range, which covers the true value 75 % of the time, so their means are taken to be normal
instead, and the interval is Student's. A verdict must hold on both levels. The variance between
generations is estimated from all of a backend's cells: see `moderation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import numpy as np
import scipy  # imports `special` and `stats` at their first use: half a second each

MARGIN = 0.03
LEVEL = 0.95
RESAMPLES = 10_000
LOOK_RESAMPLES = 1000
SEED = 20260101
MAX_FLAGGED = 0.30
FEW_DRAWS = 10
FEWEST_GENERATIONS = 3
"""The fewest for a verdict: the interval over two processes is 25 standard errors wide, and one
process is one sample, however many rounds it runs."""


class Conclusion(StrEnum):
    """The verdict of a timing against the baseline."""

    FASTER = "FASTER"
    SLOWER = "SLOWER"
    SAME = "SAME"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_TIMED = "NOT TIMED"


@dataclass(frozen=True)
class Estimate:
    """The ratio of times, and the bounds of its interval at `LEVEL`.

    `draws` are resampled log ratios. `error` is the standard error of the log ratio over
    `generations`, 0 if there is only one; `freedom` is its degrees of freedom.
    """

    ratio: float
    low: float
    high: float
    draws: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    error: float = 0.0
    generations: int = 1
    freedom: int = 0

    @property
    def half_width(self) -> float:
        """Half the interval's width, in logs: 0.02 is about 2 %."""
        return float(np.log(self.high / self.low) / 2)

    def doubt(self, conclusion: Conclusion, margin: float = MARGIN) -> float:
        """Return the p-value of a conclusion, 1 for INCONCLUSIVE.

        It is the larger one over rounds and over generations, as the interval is the wider one.
        """
        limit = float(np.log1p(margin))
        if conclusion == Conclusion.FASTER:
            return self._reaches_up(-limit)
        if conclusion == Conclusion.SLOWER:
            return self._reaches_down(limit)
        if conclusion == Conclusion.SAME:
            return max(self._reaches_up(limit), self._reaches_down(-limit))
        return 1.0

    def _reaches_up(self, bound: float) -> float:
        distance = bound - float(np.log(self.ratio))
        return min(1.0, 2 * max(_share_above(self.draws, bound), self._beyond(distance)))

    def _reaches_down(self, bound: float) -> float:
        distance = float(np.log(self.ratio)) - bound
        return min(1.0, 2 * max(_share_above(-self.draws, -bound), self._beyond(distance)))

    def _beyond(self, distance: float) -> float:
        if self.error == 0:
            return 0.0
        return float(scipy.special.stdtr(self.freedom, -distance / self.error))


def _share_above(draws: np.ndarray, bound: float) -> float:
    """Return the share of draws at or beyond a bound.

    If there are hardly any, the tail is taken to be normal: a share of 0 in 10,000 is too coarse
    for a table of hundreds of comparisons.
    """
    count = int(np.count_nonzero(draws >= bound))
    if count >= FEW_DRAWS or not len(draws):
        return (count + 1) / (len(draws) + 1)
    spread = float(draws.std())
    if spread == 0:
        return 0.0
    return math.erfc((bound - float(draws.mean())) / (spread * math.sqrt(2))) / 2


def fold(blocks: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return each round's mean log time, from its two seconds per call: there and back."""
    return np.asarray(np.log(np.asarray(blocks, dtype=np.float64)).mean(axis=1))


def log_ratios(
    candidate: Sequence[tuple[float, float]], reference: Sequence[tuple[float, float]]
) -> np.ndarray:
    """Return each round's folded log ratio of a candidate to the baseline."""
    return np.asarray(np.subtract(fold(candidate), fold(reference)))


def estimate(
    generations: Sequence[np.ndarray],
    seed: int = SEED,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return exp of the mean over generations of the median log ratio of each, with its interval.

    Over rounds: the percentiles of resampled medians (Efron and Tibshirani, An Introduction to the
    Bootstrap, chapter 13). Over generations: Student's t of their medians. The wider one counts.
    """
    middles = np.array([np.median(samples) for samples in generations])
    middle = float(middles.mean())
    picks = _picks(tuple(len(samples) for samples in generations), seed, resamples)
    pairs = zip(generations, picks, strict=True)
    draws = np.mean([np.sort(samples)[places].mean(axis=0) for samples, places in pairs], axis=0)
    count = len(middles)
    error = float(middles.std(ddof=1)) / count**0.5 if count > 1 else 0.0
    low, high = interval(middle, draws, error, count - 1, level)
    return Estimate(math.exp(middle), low, high, draws, error, count, count - 1)


def interval(
    middle: float, draws: np.ndarray, error: float, freedom: int, level: float
) -> tuple[float, float]:
    """Return the wider interval of the two levels about a log ratio, as ratios."""
    tail = (1 - level) / 2
    low, high = (float(bound) for bound in np.quantile(draws, [tail, 1 - tail]))
    if freedom:
        reach = float(scipy.special.stdtrit(freedom, 1 - tail)) * error
        low, high = min(low, middle - reach), max(high, middle + reach)
    return math.exp(low), math.exp(high)


@lru_cache(maxsize=16)
def _picks(lengths: tuple[int, ...], seed: int, resamples: int) -> tuple[np.ndarray, ...]:
    """Return, for sorted samples of each length, the two places in the middle of each resample.

    They are drawn by their own distribution, rather than found by sorting resamples, which would
    take twenty times as long: the middle one of n places that are drawn uniformly follows a beta
    distribution, and the next one above it is the smallest of those that are left.
    """
    generator = np.random.default_rng(seed)
    found = []
    for length in lengths:
        above = length // 2
        lower = generator.beta(length - above, above + 1, resamples)
        upper = lower
        if length % 2 == 0:
            upper = lower + (1 - lower) * generator.beta(1, above, resamples)
        places = (np.stack([lower, upper]) * length).astype(np.int32)
        found.append(np.minimum(places, length - 1))
    return tuple(found)


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


def withstand(doubts: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Say for each p-value whether to keep its conclusion: a share `level` of those kept is true.

    This holds on average over runs. If no conclusion is true, none is kept in that share of runs
    (Benjamini and Hochberg, Controlling the false discovery rate, 1995; a test simulates
    comparisons that share a baseline). Control of the family-wise error rate would need
    differences of thirty standard errors, with three processes and fifty comparisons.
    """
    return [bool(rate <= 1 - level) for rate in scipy.stats.false_discovery_control(doubts)]

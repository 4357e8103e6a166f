"""The variance between a backend's processes, estimated from all its cells.

Each cell alone has few processes. Smyth, Linear models and empirical Bayes methods for assessing
differential expression, 2004: the variances of many comparisons are taken to follow a scaled
inverse chi-square distribution about a common variance, which is fitted to them. The less they
vary, the more weight the common variance has, as additional degrees of freedom. If they vary too
much, each comparison keeps its own. A comparison far beyond the common variance always keeps its
own (Phipson et al., Robust hyperparameter estimation, 2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, variance

import scipy

from embcheck.conformance.timing.statistics.estimate import LEVEL, Estimate, interval

FEWEST = 4
"""Fewer comparisons are not moderated."""
FAR = 3.0
"""Times the common variance; a comparison beyond it keeps its own."""
_LEAST_WORTH = 1e-6


@dataclass(frozen=True)
class ProcessSpread:
    """A variance of log ratios between processes, and its degrees of freedom."""

    variance: float
    freedom: float


def moderate(found: Sequence[Estimate], level: float = LEVEL) -> list[Estimate]:
    """Return a backend's estimates in the cells of a run, with moderated intervals.

    Estimates with fewer generations than the others, or without an error, are unchanged.
    """
    count = max((one.generations for one in found), default=1)
    variances = [_variance(one) for one in found if one.generations == count > 1 and one.error > 0]
    if len(variances) < FEWEST:
        return list(found)
    spread = learn(variances, count - 1)
    return [
        _moderated(one, spread, level)
        if one.generations == count and 0 < _variance(one) <= FAR * spread.variance
        else one
        for one in found
    ]


def _variance(one: Estimate) -> float:
    return one.error**2 * one.generations


def learn(variances: Sequence[float], freedom: int) -> ProcessSpread:
    """Fit the common variance and its degrees of freedom, at most those of all comparisons.

    By the mean and the variance of the logs (Smyth, section 6.2). Each comparison has `freedom`
    degrees of freedom.
    """
    half, most = freedom / 2, float(freedom * len(variances))
    logs = [math.log(value) - _log_bias(half) for value in variances]
    excess = variance(logs) - _trigamma(half)
    worth = most if excess <= _trigamma(most / 2) else 2 * _inverse_trigamma(excess, most / 2)
    return ProcessSpread(math.exp(fmean(logs) + _log_bias(worth / 2)), worth)


def _moderated(one: Estimate, spread: ProcessSpread, level: float) -> Estimate:
    own = one.generations - 1
    total = spread.freedom + own
    common = spread.freedom * spread.variance + own * _variance(one)
    error = math.sqrt(common / total / one.generations)
    low, high = interval(math.log(one.ratio), one.draws, error, math.floor(total), level)
    return replace(one, low=low, high=high, error=error, freedom=math.floor(total))


def _log_bias(half: float) -> float:
    """Return the mean error of the log of a variance with twice `half` degrees of freedom."""
    return float(scipy.special.digamma(half)) - math.log(half)


def _trigamma(x: float) -> float:
    return float(scipy.special.polygamma(1, x))


def _inverse_trigamma(value: float, most: float) -> float:
    """Return the x below `most` at which the trigamma function, which decreases, has a value."""
    bounds = math.log(_LEAST_WORTH), math.log(most)
    return math.exp(scipy.optimize.brentq(lambda log: _trigamma(math.exp(log)) - value, *bounds))

"""The methods of comparison that calibration tries, each applied to a trial's times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu, ttest_ind

from embcheck.conformance.timing.statistics.estimate import (
    Conclusion,
    Estimate,
    conclude,
    estimate,
    log_ratios,
)
from embcheck.conformance.timing.statistics.moderation import moderate

Generations = Sequence[Mapping[str, Any]]
LIMIT = 0.05
ASV_LIMIT = 0.002
"""The default of asv (asv_runner.statistics.is_different)."""


@dataclass(frozen=True)
class Method:
    """A way of comparing two arms, in trials that stand for the cells of a run.

    It returns FASTER, SLOWER, SAME or INCONCLUSIVE for each trial. A method without a margin
    returns INCONCLUSIVE where it finds no difference.
    """

    name: str
    ours: bool
    compare: Callable[[Sequence[Generations], str, str], list[Conclusion]]


def _interval(run: Sequence[Generations], arm: str, base: str) -> list[Conclusion]:
    return [_side(found) for found in _estimates(run, arm, base)]


def _margin(run: Sequence[Generations], arm: str, base: str) -> list[Conclusion]:
    return [conclude(found) for found in _estimates(run, arm, base)]


def _alone(run: Sequence[Generations], arm: str, base: str) -> list[Conclusion]:
    """Judge each trial alone, without the variance between processes of the other trials."""
    return [_side(estimate(_ratios(one, arm, base), resamples=1000)) for one in run]


def _rounds_alone(run: Sequence[Generations], arm: str, base: str) -> list[Conclusion]:
    """Pool the rounds of all processes, as if one process had timed them."""
    pooled = (np.concatenate(_ratios(one, arm, base)) for one in run)
    return [_side(estimate([ratios], resamples=1000)) for ratios in pooled]


def _side(found: Estimate) -> Conclusion:
    if found.low > 1:
        return Conclusion.SLOWER
    return Conclusion.FASTER if found.high < 1 else Conclusion.INCONCLUSIVE


def _estimates(run: Sequence[Generations], arm: str, base: str) -> list[Estimate]:
    return moderate([estimate(_ratios(one, arm, base), resamples=1000) for one in run])


def _ratios(generations: Generations, arm: str, base: str) -> list[np.ndarray]:
    return [log_ratios(one["rounds"][arm], one["rounds"][base]) for one in generations]


def _sequential(generations: Generations, arm: str) -> np.ndarray:
    return np.concatenate([one["sequential"][arm] for one in generations])


def _unpaired(generations: Generations, arm: str) -> np.ndarray:
    return np.concatenate([np.ravel(one["rounds"][arm]) for one in generations])


def _tested(
    test: Callable[[np.ndarray, np.ndarray], Any],
    times: Callable[[Generations, str], np.ndarray],
    limit: float,
) -> Callable[[Generations, str], Conclusion]:
    def conclude_one(generations: Generations, arm: str, base: str) -> Conclusion:
        mine, other = times(generations, arm), times(generations, base)
        if test(mine, other).pvalue >= limit:
            return Conclusion.INCONCLUSIVE
        slower = np.median(mine) > np.median(other)
        return Conclusion.SLOWER if slower else Conclusion.FASTER

    return lambda run, arm, base: [conclude_one(one, arm, base) for one in run]


METHODS = (
    Method("one after another, t-test (as pyperf)", False, _tested(ttest_ind, _sequential, LIMIT)),
    Method(
        "one after another, Mann-Whitney 0.05", False, _tested(mannwhitneyu, _sequential, LIMIT)
    ),
    Method(
        "one after another, Mann-Whitney 0.002 (as asv)",
        False,
        _tested(mannwhitneyu, _sequential, ASV_LIMIT),
    ),
    Method("rounds, unpaired t-test", False, _tested(ttest_ind, _unpaired, LIMIT)),
    Method("rounds, paired, as if of one process", False, _rounds_alone),
    Method("rounds and processes, each trial alone", False, _alone),
    Method("rounds and processes, interval", True, _interval),
    Method("rounds and processes, interval clears 3 %", True, _margin),
)

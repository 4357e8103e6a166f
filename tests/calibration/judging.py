"""What each way of comparing makes of a trial's times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu, ttest_ind

from embcheck.conformance.timing.statistics.estimate import (
    Conclusion,
    conclude,
    estimate,
    log_ratios,
)

Generations = Sequence[Mapping[str, Any]]
LIMIT = 0.05
ASV_LIMIT = 0.002
"""The default of asv (asv_runner.statistics.is_different)."""


@dataclass(frozen=True)
class Method:
    """A way of comparing an arm with another; returns FASTER, SLOWER, SAME or INCONCLUSIVE.

    One that knows no margin says INCONCLUSIVE where it finds no difference.
    """

    name: str
    ours: bool
    compare: Callable[[Generations, str, str], Conclusion]


def _interval(generations: Generations, arm: str, base: str) -> Conclusion:
    found = _estimate(generations, arm, base)
    if found.low > 1:
        return Conclusion.SLOWER
    return Conclusion.FASTER if found.high < 1 else Conclusion.INCONCLUSIVE


def _margin(generations: Generations, arm: str, base: str) -> Conclusion:
    return conclude(_estimate(generations, arm, base))


def _rounds_alone(generations: Generations, arm: str, base: str) -> Conclusion:
    """Take the rounds of all processes for those of one."""
    found = estimate([np.concatenate(_ratios(generations, arm, base))], resamples=1000)
    if found.low > 1:
        return Conclusion.SLOWER
    return Conclusion.FASTER if found.high < 1 else Conclusion.INCONCLUSIVE


def _estimate(generations: Generations, arm: str, base: str) -> Any:
    return estimate(_ratios(generations, arm, base), resamples=1000)


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
    def compare(generations: Generations, arm: str, base: str) -> Conclusion:
        mine, other = times(generations, arm), times(generations, base)
        if test(mine, other).pvalue >= limit:
            return Conclusion.INCONCLUSIVE
        slower = np.median(mine) > np.median(other)
        return Conclusion.SLOWER if slower else Conclusion.FASTER

    return compare


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
    Method("rounds and processes, interval", True, _interval),
    Method("rounds and processes, interval clears 3 %", True, _margin),
)

"""A permutation test of two samples that were taken in random order."""

from __future__ import annotations

from collections.abc import Sequence

import scipy


def chance_of_order(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Return the p-value of the hypothesis that one sample is larger only by chance.

    It is the share of all orders of the two samples in which the first is larger at least as often.
    The statistic is Mann and Whitney's, the number of pairs in which the first is larger; a tie
    does not count. If the order was random, the p-value holds whatever disturbs the numbers, and
    however long a disturbance lasts.
    """
    # SciPy's test counts a tie as half, so equal numbers are made larger in the other sample.
    ranks = 2 * scipy.stats.rankdata([*larger, *smaller], "dense")
    one, other = ranks[: len(larger)], ranks[len(larger) :] + 1
    found = scipy.stats.mannwhitneyu(one, other, alternative="greater", method="exact")
    return float(found.pvalue)

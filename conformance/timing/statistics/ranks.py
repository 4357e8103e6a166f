"""A permutation test of two samples that were taken in random order."""

from __future__ import annotations

from collections.abc import Sequence

import scipy


def chance_of_order(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Return the share of all orders of two samples in which one is larger at least as often.

    The statistic is the number of pairs in which the one is larger, as by Mann and Whitney; a tie
    does not count. The share is the p-value if the order was random and has no effect, whatever
    disturbs the numbers, and however long a disturbance lasts.
    """
    # SciPy's test halves ties: of equal numbers, the other sample's is made the larger one.
    ranks = 2 * scipy.stats.rankdata([*larger, *smaller], "dense")
    one, other = ranks[: len(larger)], ranks[len(larger) :] + 1
    found = scipy.stats.mannwhitneyu(one, other, alternative="greater", method="exact")
    return float(found.pvalue)

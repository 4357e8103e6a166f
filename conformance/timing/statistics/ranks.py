"""Two samples whose order was drawn by lot: by how much of chance one of them is the larger."""

from __future__ import annotations

from collections.abc import Sequence

import scipy


def chance_of_order(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Return the share of all orders of two samples in which one is as often the larger as here.

    Counted are pairs in which the one is larger than the other, as by Mann and Whitney; a tie is
    none. It is the chance of that much where the order was drawn by lot and makes no difference,
    whatever disturbs the numbers, and however long a disturbance lasts.
    """
    # SciPy's test halves ties: of equal numbers, the other sample's is made the larger one.
    ranks = 2 * scipy.stats.rankdata([*larger, *smaller], "dense")
    one, other = ranks[: len(larger)], ranks[len(larger) :] + 1
    found = scipy.stats.mannwhitneyu(one, other, alternative="greater", method="exact")
    return float(found.pvalue)

"""A permutation test of two samples that were taken in random order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from math import comb


def chance_of_order(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Return the share of all orders of two samples in which one is larger at least as often.

    The statistic is the number of pairs in which the one is larger, as by Mann and Whitney; a tie
    does not count. The share is the p-value if the order was random and has no effect, whatever
    disturbs the numbers, and however long a disturbance lasts.
    """
    wins = sum(one > other for one, other in product(larger, smaller))
    counts = _orders(len(larger), len(smaller))
    return sum(counts[wins:]) / comb(len(larger) + len(smaller), len(larger))


@cache
def _orders(one: int, other: int) -> tuple[int, ...]:
    """Count the orders of two samples by their number of winning pairs, from none to all.

    By recursion: the largest number belongs to the first sample, and wins against all of the other,
    or it belongs to the other, and adds no winning pair.
    """
    if not one or not other:
        return (1,)
    counts = [0] * (one * other + 1)
    for wins, count in enumerate(_orders(one - 1, other)):
        counts[wins + other] += count
    for wins, count in enumerate(_orders(one, other - 1)):
        counts[wins] += count
    return tuple(counts)

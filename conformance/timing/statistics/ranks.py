"""Two samples whose order was drawn by lot: by how much of chance one of them is the larger."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from math import comb


def chance_of_order(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Return the share of all orders of two samples in which one is as often the larger as here.

    Counted are pairs in which the one is larger than the other, as by Mann and Whitney; a tie is
    none. It is the chance of that much where the order was drawn by lot and makes no difference,
    whatever disturbs the numbers, and however long a disturbance lasts.
    """
    wins = sum(one > other for one, other in product(larger, smaller))
    counts = _orders(len(larger), len(smaller))
    return sum(counts[wins:]) / comb(len(larger) + len(smaller), len(larger))


@cache
def _orders(one: int, other: int) -> tuple[int, ...]:
    """Count the orders of two samples by their winning pairs, from none to all.

    The largest number of all belongs to the first sample, and wins against all of the other, or it
    belongs to the other, and the first one has none more.
    """
    if not one or not other:
        return (1,)
    counts = [0] * (one * other + 1)
    for wins, count in enumerate(_orders(one - 1, other)):
        counts[wins + other] += count
    for wins, count in enumerate(_orders(one, other - 1)):
        counts[wins] += count
    return tuple(counts)

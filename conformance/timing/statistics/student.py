"""Student's t distribution for whole degrees of freedom, without an array library.

The probability between -t and t is a finite sum: Abramowitz and Stegun, Handbook of Mathematical
Functions, 26.7.3 (odd) and 26.7.4 (even).
"""

from __future__ import annotations

import math

_HALVINGS = 200


def within(t: float, freedom: int) -> float:
    """Return the probability that a variate lies between -t and t."""
    angle = math.atan2(abs(t), math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    if freedom % 2 == 0:
        return sine * _series(1.0, range(1, freedom - 1, 2), cosine)
    if freedom == 1:
        return 2 * angle / math.pi
    rest = sine * _series(cosine, range(2, freedom - 1, 2), cosine)
    return 2 * (angle + rest) / math.pi


def quantile(level: float, freedom: int) -> float:
    """Return the t for which a variate lies between -t and t with a probability."""
    low, high = 0.0, 1.0
    while within(high, freedom) < level:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if within(middle, freedom) < level else (low, middle)
    return high


def above(t: float, freedom: int) -> float:
    """Return the probability that a variate is larger than t."""
    outside = (1 - within(t, freedom)) / 2
    return outside if t >= 0 else 1 - outside


def _series(first: float, steps: range, cosine: float) -> float:
    """Add up terms, each the one before times n / (n + 1) times the squared cosine."""
    term = total = first
    for step in steps:
        term *= step / (step + 1) * cosine**2
        total += term
    return total

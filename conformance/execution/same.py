"""Comparison of arrays: element by element, or bit by bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

Signs = Literal["all", "negative", "none"]
"""For which zeros the sign counts: for all, for those that are stated as -0.0, or for none."""


def equal(got: Any, wanted: Any, signs: Signs = "none") -> np.ndarray:
    """Compare elementwise; NaN equals NaN, and 0.0 differs from -0.0 if `signs` says so."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    if same_bits(got, wanted):
        return np.ones(wanted.shape, bool)
    same = np.asarray(got == wanted)
    if wanted.dtype.kind in "biu":  # No NaN, and one zero only.
        return same
    if not same.all():
        same = np.asarray(same | ((got != got) & (wanted != wanted)))  # noqa: PLR0124  (NaN)
    if signs == "none" or wanted.dtype.kind == "c":
        return same
    count = np.signbit(wanted) if signs == "negative" else np.ones(wanted.shape, bool)
    return np.asarray(same & ~((wanted == 0) & count & (np.signbit(got) != np.signbit(wanted))))


def same_bits(got: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two arrays are equal bit by bit. A fast check: False if not both are in C order."""
    if got is wanted:  # Such as an input that a worker reported as unchanged.
        return True
    if got.dtype != wanted.dtype or got.shape != wanted.shape:
        return False
    if not (got.flags.c_contiguous and wanted.flags.c_contiguous):
        return False
    word = np.uint64 if got.nbytes % 8 == 0 else np.uint8  # Fewer elements are compared faster.
    return bool((got.reshape(-1).view(word) == wanted.reshape(-1).view(word)).all())


def same_arrays(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    """Whether two answers have the same names, and arrays that are equal bit by bit, in C order."""
    return one.keys() == other.keys() and all(same_bits(one[name], other[name]) for name in one)

"""The numbers of a generated call: drawn one by one, or from a seed.

Drawn numbers shrink well; numbers from a seed make long sums, in which rounding shows.
"""

from __future__ import annotations

from typing import Any, Protocol

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

WEIGHT_DTYPES = tuple(map(np.dtype, ("float32", "float64", "float16", ml_dtypes.bfloat16)))
INDEX_DTYPES = tuple(map(np.dtype, ("int64", "int32")))

PLAIN = (0.0, 1.0, -1.0, 2.0, 0.5, -0.0, 3.0, -2.5, 0.1, -1 / 3, 7.0, 1e-3)
"""Values whose sums stay far from the ends of every dtype."""
EXTREME = (np.nan, np.inf, -np.inf, 60000.0, 6e-8)
"""Values that are not finite, and the top and the bottom of float16."""


class Elements(Protocol):
    """A source of numbers for the arrays of one call."""

    def integers(self, shape: tuple[int, ...], below: int) -> np.ndarray:
        """Return integers from 0 to `below` - 1."""

    def numbers(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Return numbers of a floating dtype."""


class Drawn:
    """A source that draws each number, with `extreme` sometimes one of EXTREME."""

    def __init__(self, draw: st.DrawFn, *, extreme: bool) -> None:
        self._draw = draw
        # Five of 41 are extreme: with many more, most answers would be NaN.
        self._values = st.sampled_from(PLAIN * 3 + EXTREME if extreme else PLAIN)

    def integers(self, shape: tuple[int, ...], below: int) -> np.ndarray:
        """Return integers from 0 to `below` - 1."""
        return np.array(self._list(st.integers(0, below - 1), shape), np.int64).reshape(shape)

    def numbers(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Return numbers of a floating dtype."""
        return np.array(self._list(self._values, shape), np.float64).reshape(shape).astype(dtype)

    def _list(self, elements: st.SearchStrategy[Any], shape: tuple[int, ...]) -> list[Any]:
        size = int(np.prod(shape))
        return self._draw(st.lists(elements, min_size=size, max_size=size)) if size else []


class Seeded:
    """A source of numbers from one seed: normally distributed ones, and uniform integers."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def integers(self, shape: tuple[int, ...], below: int) -> np.ndarray:
        """Return integers from 0 to `below` - 1."""
        return self._random.integers(0, below, shape) if np.prod(shape) else np.zeros(shape, int)

    def numbers(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Return numbers of a floating dtype."""
        return np.asarray(self._random.standard_normal(shape)).astype(dtype)

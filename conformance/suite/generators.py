"""Generators of arrays: seeded random values, and values that encode their row and column."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

BASE = 251
"""The default base of `digits`: the largest prime below 256.

All digits are exact in bfloat16, and rows that are a power of two apart differ in digit 0.
"""
_PLACES = 3
_NARROW = 1 << 14
"""Up to this base, the sum of two digits fits in 16 bits."""
_BLOCK = 1 << 20
"""The number of elements made at a time; intermediate arrays take eight bytes for each."""

Recipe = Mapping[str, Any]
Parts = Mapping[str, np.ndarray]
Shape = tuple[int, ...]


def _seeded(draw: Callable[[np.random.Generator, Shape, Recipe], Any]) -> Any:
    """Make a generator that calls `draw` with the recipe's seed."""

    def make(recipe: Recipe, _parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        # PCG64 by name: NumPy's default may change, and with it the numbers.
        source = np.random.Generator(np.random.PCG64(int(recipe.get("seed", 0))))
        return np.asarray(draw(source, shape, recipe)).astype(dtype)

    return make


def _arange(recipe: Recipe, _parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Count in reading order: element i is (start + step * (i // each)) % modulo."""
    start, step, each = (recipe.get(name, least) for name, least in COUNTING.items())
    size, modulo = math.prod(shape), recipe.get("modulo")
    if modulo is not None and each == 1 and modulo < size:
        # The numbers have the period `modulo`, and copying a period is much faster than dividing.
        period = ((start + step * np.arange(modulo)) % modulo).astype(dtype)
        made = np.empty(size, dtype)
        whole = size - size % modulo
        made[:whole].reshape(-1, modulo)[:] = period
        made[whole:] = period[: size - whole]
        return made.reshape(shape)
    values = start + step * (np.arange(size) // each)
    kept = values if modulo is None else values % modulo
    return np.asarray(kept).astype(dtype).reshape(shape)


COUNTING = {"start": 0, "step": 1, "each": 1}
"""The default parameters of `arange`."""


def _digits(recipe: Recipe, parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Encode row and column: element (r, c) is ((digit c % 3 of r) + c) % base, times `times`.

    Digit 0 of r is the lowest one in the base. The rows are 0, 1, 2, ..., or those in the part
    `rows`. The part `factors` has a further factor for each row.
    """
    base, times = recipe.get("base", BASE), recipe.get("times", 1)
    narrow = np.int16 if base <= _NARROW else np.int64
    columns = (np.arange(shape[-1]) % base).astype(narrow)
    count = math.prod(shape[:-1])
    rows = parts["rows"].reshape(-1) if "rows" in parts else np.arange(count)
    made = np.empty((count, shape[-1]), dtype)
    for block in _blocks(count, shape[-1]):
        # Three neighbouring columns have different digits of the row, and so identify it.
        for place in range(min(_PLACES, shape[-1])):
            digits = (rows[block] // base**place % base).astype(narrow)
            values = digits[:, None] + columns[place::_PLACES]
            # This is the remainder, but faster: both terms are smaller than the base.
            np.subtract(values, base, out=values, where=values >= base)
            if times != 1:
                # `times` may be a fraction, and products may not fit in the narrow integers.
                values = values.astype(np.int64) * times
            if "factors" in parts:
                values = values * parts["factors"].reshape(-1, 1)[block]
            made[block, place::_PLACES] = values
    return made.reshape(shape)


def _counts(recipe: Recipe, parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Count how often the part `of` names each row, times `times`; all columns are equal.

    If there is a part `adds`, with a row for each index in `of`, its rows are summed instead of
    ones.
    """
    if "adds" in parts:
        made = _added(parts["of"].reshape(-1), parts["adds"], shape)
        return np.asarray(made * recipe.get("times", 1)).astype(dtype)
    counts = np.bincount(parts["of"].reshape(-1), minlength=shape[0])[: shape[0]]
    rows = (counts * recipe.get("times", 1)).astype(dtype).reshape(-1, *([1] * (len(shape) - 1)))
    return np.broadcast_to(rows, shape).copy()


def _added(names: np.ndarray, adds: np.ndarray, shape: Shape) -> np.ndarray:
    """Sum the values of all indices that name a row, for each row; ignore other indices."""
    width, kept = math.prod(shape[1:]), (names >= 0) & (names < shape[0])
    # Elements are numbered, so that `bincount` can sum: it takes a third of the time of `add.at`.
    places = names[kept, None].astype(np.int64) * width + np.arange(width)
    # In float64, so that a sum is rounded to the array's dtype only once, at the end.
    terms = adds.reshape(names.size, -1)[kept].astype(np.float64)
    made = np.bincount(places.reshape(-1), terms.reshape(-1), shape[0] * width)
    return made.reshape(shape)


def _bags(_recipe: Recipe, parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Return the number of the bag that each position lies in, by the part `offsets`."""
    places = np.arange(shape[0])
    # side="right": if several bags have the same offset, all but the last are empty.
    return (np.searchsorted(parts["offsets"], places, side="right") - 1).astype(dtype)


def _eye(_recipe: Recipe, _parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Put ones where the indices along the last two axes are equal, and zeros elsewhere."""
    return np.broadcast_to(np.eye(shape[-2], shape[-1], dtype=dtype), shape).copy()


def _full(recipe: Recipe, _parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    return np.full(shape, np.array(recipe["value"]).astype(dtype))


def _blocks(count: int, width: int) -> Iterator[slice]:
    """Divide `count` rows of `width` elements into blocks of about `_BLOCK` elements."""
    step = max(1, _BLOCK // max(width, 1))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


GENERATORS: dict[str, Callable[[Recipe, Parts, Shape, np.dtype[Any]], np.ndarray]] = {
    "arange": _arange,
    "digits": _digits,
    "counts": _counts,
    "bags": _bags,
    "eye": _eye,
    "full": _full,
    "integers": _seeded(lambda g, shape, r: g.integers(r.get("low", 0), r["high"], size=shape)),
    "normal": _seeded(lambda g, shape, _: g.standard_normal(shape)),
    "uniform": _seeded(lambda g, shape, r: g.uniform(r.get("low", 0.0), r.get("high", 1.0), shape)),
}
RANGE = {"low": 0, "high": 1, "value": 0}
"""The numeric parameters of `integers`, `uniform` and `full`, with their defaults."""


def extremes(recipe: Recipe, size: int) -> list[float]:
    """Return the extremes of an array of `size` elements, to check that they fit in its dtype.

    Empty for generators other than `arange`, `full` and `integers`: their values are taken to fit.
    """
    if not size:
        return []
    if recipe["generator"] == "full":
        return [recipe["value"]]
    if recipe["generator"] == "integers":
        return [recipe.get("low", 0), recipe["high"] - 1]
    if recipe["generator"] != "arange":
        return []
    start, step, each = (recipe.get(name, least) for name, least in COUNTING.items())
    count = (size - 1) // each + 1
    ends = [start, start + step * (count - 1)]
    modulo = recipe.get("modulo")
    if modulo is None or all(0 <= end < modulo for end in ends):
        return ends
    return _ends_of_remainders(start, step, count, modulo)


def _ends_of_remainders(start: float, step: float, count: int, modulo: int) -> list[float]:
    count = min(count, modulo)  # After `modulo` steps the remainders repeat.
    if count > _BLOCK:  # Too many to look at; of so many, one is near each end.
        return [0, modulo - 1]
    remainders = (start + step * np.arange(count)) % modulo
    return [remainders.min().item(), remainders.max().item()]


NEEDS = {"integers": ("high",), "full": ("value",), "counts": ("of",), "bags": ("offsets",)}
"""The required parameters of each generator."""
PARTS = ("rows", "factors", "of", "adds", "offsets")
"""The parameters that are arrays."""
LEAST_RANK = {"digits": 1, "counts": 1, "bags": 1, "eye": 2}
WHOLE = {"seed": 0, "each": 1, "modulo": 1, "base": 2, "repeat": 1}
"""The parameters that must be integers, with their minimum."""

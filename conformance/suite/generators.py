"""Arrays from a recipe: seeded random ones, and ones whose values tell their place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

BASE = 251
"""The largest prime below 256: all digits are exact in bfloat16, and no power of two is lost."""
_PLACES = 3
_NARROW = 1 << 14
"""Sums of two digits of a base up to this one fit in 16 bits."""
_BLOCK = 1 << 20
"""Elements that are made at a time; intermediate arrays take eight bytes for each."""

Recipe = Mapping[str, Any]
Parts = Mapping[str, np.ndarray]
Shape = tuple[int, ...]


def _seeded(draw: Callable[[np.random.Generator, Shape, Recipe], Any]) -> Any:
    """Make a generator that calls `draw` with the recipe's seed."""

    def make(recipe: Recipe, _parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        # Named, since another version of NumPy may have another default, and other numbers then.
        source = np.random.Generator(np.random.PCG64(int(recipe.get("seed", 0))))
        return np.asarray(draw(source, shape, recipe)).astype(dtype)

    return make


def _arange(recipe: Recipe, _parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Count in reading order: (start + step * (i // each)) % modulo."""
    start, step, each = (recipe.get(name, least) for name, least in COUNTING.items())
    size, modulo = math.prod(shape), recipe.get("modulo")
    if modulo is not None and each == 1 and modulo < size:
        # Numbers repeat after `modulo` of them. To copy one period is much faster than to divide.
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
    """Name row and column: element (r, c) is (digit number c % 3 of r + c) % base, times `times`.

    The rows are 0, 1, 2, ... or those that the part `rows` holds; `factors` has one more factor for
    each.
    """
    base, times = recipe.get("base", BASE), recipe.get("times", 1)
    narrow = np.int16 if base <= _NARROW else np.int64
    columns = (np.arange(shape[-1]) % base).astype(narrow)
    count = math.prod(shape[:-1])
    rows = parts["rows"].reshape(-1) if "rows" in parts else np.arange(count)
    made = np.empty((count, shape[-1]), dtype)
    for block in _blocks(count, shape[-1]):
        # Neighbouring columns tell different digits of the row, so that three tell all of it.
        for place in range(min(_PLACES, shape[-1])):
            digits = (rows[block] // base**place % base).astype(narrow)
            values = digits[:, None] + columns[place::_PLACES]
            # The remainder, but faster: both are smaller than the base.
            np.subtract(values, base, out=values, where=values >= base)
            if times != 1:
                # `times` may be a fraction, and products may not fit in the narrow integers.
                values = values.astype(np.int64) * times
            if "factors" in parts:
                values = values * parts["factors"].reshape(-1, 1)[block]
            made[block, place::_PLACES] = values
    return made.reshape(shape)


def _counts(recipe: Recipe, parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Count how often each row is named by the part `of`, in every column, times `times`.

    With the part `adds`, which has a row for each naming, those rows are added up instead of ones.
    """
    if "adds" in parts:
        made = _added(parts["of"].reshape(-1), parts["adds"], shape)
        return np.asarray(made * recipe.get("times", 1)).astype(dtype)
    counts = np.bincount(parts["of"].reshape(-1), minlength=shape[0])[: shape[0]]
    rows = (counts * recipe.get("times", 1)).astype(dtype).reshape(-1, *([1] * (len(shape) - 1)))
    return np.broadcast_to(rows, shape).copy()


def _added(names: np.ndarray, adds: np.ndarray, shape: Shape) -> np.ndarray:
    """Sum, for each row, the values beside its indices; leaves out indices of no row."""
    width, kept = math.prod(shape[1:]), (names >= 0) & (names < shape[0])
    # One number for each element of the sums: `bincount` takes a third of the time of `add.at`.
    places = names[kept, None].astype(np.int64) * width + np.arange(width)
    # In float64, so that a sum is rounded once, to the dtype of the array.
    terms = adds.reshape(names.size, -1)[kept].astype(np.float64)
    made = np.bincount(places.reshape(-1), terms.reshape(-1), shape[0] * width)
    return made.reshape(shape)


def _bags(_recipe: Recipe, parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Number the bag that each position lies in, by the part `offsets`."""
    places = np.arange(shape[0])
    # From the right: of equal offsets, all bags but the last are empty.
    return (np.searchsorted(parts["offsets"], places, side="right") - 1).astype(dtype)


def _eye(_recipe: Recipe, _parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    """Put ones where the last two axes are equal."""
    return np.broadcast_to(np.eye(shape[-2], shape[-1], dtype=dtype), shape).copy()


def _full(recipe: Recipe, _parts: Parts, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
    return np.full(shape, np.array(recipe["value"]).astype(dtype))


def _blocks(count: int, width: int) -> Iterator[slice]:
    """Cut so many rows into blocks of about `_BLOCK` elements."""
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
"""What `integers` and `uniform` draw between, and `full` repeats, where a recipe does not say."""


def extremes(recipe: Recipe, size: int) -> list[float]:
    """Return the numbers that an array of so many elements has to hold, or the outermost of them.

    Of `arange`, `full` and `integers` only: what the others make fits wherever it is used.
    """
    if not size:
        return []
    if recipe["generator"] == "full":
        return [recipe["value"]]
    if recipe["generator"] == "integers":
        return [recipe.get("low", 0), recipe["high"] - 1]
    if recipe["generator"] != "arange":
        return []
    if "modulo" in recipe:
        # From another start, the remainders may reach less far, which is not worked out.
        return [0, min(recipe["modulo"] - 1, size)] if recipe.get("start", 0) == 0 else []
    start, step, each = (recipe.get(name, least) for name, least in COUNTING.items())
    return [start, start + step * ((size - 1) // each)]


NEEDS = {"integers": ("high",), "full": ("value",), "counts": ("of",), "bags": ("offsets",)}
"""The required parameters of each generator."""
PARTS = ("rows", "factors", "of", "adds", "offsets")
"""The parameters of each generator that are arrays."""
LEAST_RANK = {"digits": 1, "counts": 1, "bags": 1, "eye": 2}
WHOLE = {"seed": 0, "each": 1, "modulo": 1, "base": 2, "repeat": 1}
"""The parameters that must be integers, with their minimum."""

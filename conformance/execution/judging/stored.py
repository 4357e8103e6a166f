"""How far an answer from a stored table may be from that of the table itself, by its scheme.

The nearest level is at most half a step away, a step being the distance between two neighbouring
levels of the element's own group: what the rows beside it hold makes no difference. An element
beyond the levels is as far from them as it lies beyond. To that comes what the rounding of the
scale, of the offset and of the sum leaves.

- Where scale and offset are kept in float16, each is off by u times its size, u = 2**-11, and so
  is a level: by u times the offset, and up to u times the distance between the ends. What is
  subnormal there is off by half the smallest number instead.
- A level is then a product and a sum in float32, or in the answer's dtype where that is narrower.
- Where a scheme leaves open which scale a group has, the coarser one counts.
- A weighted sum has the errors of its terms, each times its factor, and a mean a part of them. A
  maximum has the largest error of its entries.
- An infinite or NaN element leaves its group without levels: nothing bounds it.
"""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.contract.schemes import SCHEMES, LevelGrid, Scheme, ends_of, grids_of
from embcheck.conformance.execution.judging.terms import (
    SINGLE,
    reduce_into,
    smallest,
    terms_of,
    unit_roundoff,
)

_ROUNDINGS_OF_LEVEL = 4
"""The scale, the product with the number, the sum with the offset, and the stored result."""


def errors_of(table: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Return the largest error of each stored element, (V, D), in float64."""
    lowest, highest = ends_of(table, scheme)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.maximum(np.abs(lowest), np.abs(highest))
        errors = np.zeros(table.shape)
        for grid in grids_of(table, scheme):
            errors = np.maximum(errors, _half_steps(table, scheme, grid) + _kept(scheme, grid))
        roundoff = max(SINGLE, unit_roundoff(table.dtype))
        errors = errors + _ROUNDINGS_OF_LEVEL * roundoff * largest
    if scheme.keeps_zero:  # Zero is one of its levels, and times any scale still zero.
        errors[table == 0] = 0.0
    return np.asarray(errors)


def _half_steps(table: np.ndarray, scheme: Scheme, grid: LevelGrid) -> np.ndarray:
    """Return half the distance of the levels around each element, or how far it is beyond them."""
    numbers = np.array(scheme.numbers)
    scale = np.where(grid.scale == 0, 1.0, grid.scale)  # With 0, all levels are the offset.
    exact = (table.astype(np.float64) - grid.offset) / scale
    above = np.clip(np.searchsorted(numbers, exact), 1, len(numbers) - 1)
    half = (numbers[above] - numbers[above - 1]) / 2
    beyond = np.maximum(numbers[0] - exact, exact - numbers[-1])
    return np.asarray(np.maximum(half, beyond) * np.abs(grid.scale))


def _kept(scheme: Scheme, grid: LevelGrid) -> np.ndarray:
    """Return what levels lose where scale and offset are kept in a narrower dtype than float32."""
    dtype = np.dtype(scheme.scale_dtype)
    if unit_roundoff(dtype) <= SINGLE:
        return np.zeros(grid.scale.shape)
    span = scheme.numbers[-1] - scheme.numbers[0]
    lost = unit_roundoff(dtype) * span * np.abs(grid.scale)
    if not scheme.keeps_zero:
        lost = lost + unit_roundoff(dtype) * np.abs(grid.offset)
    # A subnormal scale, or offset, is off by half the smallest number.
    return np.asarray(np.where(grid.scale == 0, lost, lost + (span + 1) * smallest(dtype) / 2))


def reach_of(table: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Return the size of each element's group, (V, D), in float64.

    That is the distance between its ends, both of one size where the levels are symmetric.
    """
    lowest, highest = ends_of(table, scheme)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.maximum(np.abs(lowest), np.abs(highest))
        is_even = scheme.numbers[0] < 0
        reach: np.ndarray = 2 * largest if is_even else np.maximum(highest - lowest, largest)
        return reach


def of_terms(name: str, call: Call, sizes: np.ndarray) -> np.ndarray:
    """Add up sizes (V, D) of a table's elements as an observation adds up the elements."""
    if name == Observation.STORED_WEIGHT:
        return sizes
    if not call.operation.is_bag:
        rows: np.ndarray = sizes[call.inputs["indices"]]
        return rows
    terms, mode = terms_of(call), call.option("mode")
    total = np.zeros((terms.bag_count, sizes.shape[1]))
    found = sizes[terms.rows] * np.abs(terms.factors[:, None])
    reduce_into(total, np.maximum if mode == "max" else np.add, terms.bags, found)
    return total / np.maximum(terms.bag_sizes, 1) if mode == "mean" else total


def scheme_of(call: Call) -> Scheme:
    """Return the scheme of a call; raises KeyError for an unknown one."""
    return SCHEMES[call.option("scheme")]

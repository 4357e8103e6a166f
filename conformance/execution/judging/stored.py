"""How far an answer from a stored table may be from that of the table itself, by its scheme.

The nearest level is at most half a step away. A step is the distance between two neighbouring
levels of the element's own group; other groups make no difference. An element outside of the levels
is off by its distance to the nearest one. The rounding of the scale, of the offset and of the sum
adds to that.

- If scale and offset are kept in float16, each is off by u = 2**-11 times its size. A level is then
  off by u times the offset, plus up to u times the distance between the ends. A subnormal scale or
  offset is off by half the smallest number.
- A level is then a product and a sum in float32, or in the answer's dtype if that is narrower.
- If a scheme leaves open which scale a group has, the coarser one counts.
- The error of a weighted sum is that of its terms, each times its factor; that of a mean is divided
  by the number of terms. A maximum has the largest error of its entries.
- A group with an infinite or NaN element has no levels, and no bound.
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
    if scheme.keeps_zero:  # Zero is one of the levels, and stays zero at any scale.
        errors[table == 0] = 0.0
    return np.asarray(errors)


def _half_steps(table: np.ndarray, scheme: Scheme, grid: LevelGrid) -> np.ndarray:
    """Return half the distance of the levels around each element, or how far it is outside them."""
    numbers = np.array(scheme.numbers)
    scale = np.where(grid.scale == 0, 1.0, grid.scale)  # With 0, all levels are the offset.
    exact = (table.astype(np.float64) - grid.offset) / scale
    above = np.clip(np.searchsorted(numbers, exact), 1, len(numbers) - 1)
    half = (numbers[above] - numbers[above - 1]) / 2
    beyond = np.maximum(numbers[0] - exact, exact - numbers[-1])
    return np.asarray(np.maximum(half, beyond) * np.abs(grid.scale))


def _kept(scheme: Scheme, grid: LevelGrid) -> np.ndarray:
    """Return the error of levels whose scale and offset are narrower than float32."""
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

    That is the distance between its ends, which are equally far from 0 if the levels are symmetric.
    """
    lowest, highest = ends_of(table, scheme)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.maximum(np.abs(lowest), np.abs(highest))
        is_even = scheme.numbers[0] < 0
        reach: np.ndarray = 2 * largest if is_even else np.maximum(highest - lowest, largest)
        return reach


def of_terms(name: str, call: Call, sizes: np.ndarray) -> np.ndarray:
    """Combine sizes (V, D) of a table's elements as an observation combines the elements."""
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

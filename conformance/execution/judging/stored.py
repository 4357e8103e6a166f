"""How far an answer from a stored table may be from that of the table itself, by its scheme.

The nearest level is at most half a step away, the step being that of the element's own group: what
the rows beside it hold makes no difference. To that comes what the rounding of the scale, of the
lowest level and of the sum leaves.

- Where scale and lowest level are kept in float16, each is off by u times its size, u = 2**-11, and
  so is a level: by u times the lowest level, and up to u times the distance between the ends.
- A level is then a product and a sum in float32, or in the answer's dtype where that is narrower.
- A weighted sum has the errors of its terms, each times its factor, and a mean a part of them. A
  maximum has the largest error of its entries.
- An infinite or NaN element leaves its group without levels: nothing bounds it.
"""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.contract.schemes import SCHEMES, Scheme, ends_of
from embcheck.conformance.execution.judging.terms import (
    SINGLE,
    reduce_into,
    terms_of,
    unit_roundoff,
)

_ROUNDINGS_OF_LEVEL = 4
"""The scale, the product with the code, the sum with the lowest level, and the stored result."""


def errors_of(table: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Return the largest error of each stored element, (V, D), in float64."""
    lowest, highest = ends_of(table, scheme)
    with np.errstate(invalid="ignore", over="ignore"):
        reach = highest - lowest
        kept = unit_roundoff(np.dtype(scheme.scale_dtype))
        roundoff = max(SINGLE, unit_roundoff(table.dtype))
        largest = np.maximum(np.abs(lowest), np.abs(highest))
        kept_errors = kept * (np.abs(lowest) + reach) if kept > SINGLE else 0.0
        errors = reach / scheme.steps / 2 + kept_errors + _ROUNDINGS_OF_LEVEL * roundoff * largest
    errors = np.broadcast_to(errors, table.shape).copy()
    if scheme.keeps_zero:
        errors[table == 0] = 0.0
    return errors


def reach_of(table: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Return the size of each element's group, (V, D), in float64.

    That is the distance between its ends, or the larger end, where both are far from 0.
    """
    lowest, highest = ends_of(table, scheme)
    with np.errstate(invalid="ignore", over="ignore"):
        reach = np.maximum(highest - lowest, np.maximum(np.abs(lowest), np.abs(highest)))
    return np.broadcast_to(reach, table.shape)


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

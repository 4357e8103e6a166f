"""Right gradients of a maximum that several entries of a bag hold.

Nothing says which of equal maxima gets the upstream gradient, so each choice is right: one of them
gets all, all get equal parts, or any other split. A right gradient is a subgradient of the maximum.
A row that does not hold the maximum gets nothing. A row that holds it gets at most the bag's
upstream gradient. What the rows of a bag get adds up to the upstream gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.execution.judging.shortened import row_errors, shortened
from embcheck.conformance.execution.judging.terms import (
    DOUBLE,
    Terms,
    reduce_into,
    terms_of,
    unit_roundoff,
)

EARLIER_USES = (
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE,
)
_HOLDS_GRADIENT = (Observation.GRAD_WEIGHT, Observation.TRAINED_WEIGHT, *EARLIER_USES)
_SLACK = 8
"""How many unit roundoffs a stated choice may be off."""


def is_maximum(call: Call) -> bool:
    """Whether a call reduces bags to their maxima."""
    return call.operation.is_bag and call.option("mode") == "max"


def upstream_of(call: Call, terms: Terms) -> np.ndarray:
    """Return the upstream gradient: (bags, columns)."""
    shape = (terms.bag_count, call.inputs["weight"].shape[1])
    upstream = call.inputs.get("grad_output")
    return np.ones(shape) if upstream is None else upstream.astype(np.float64).reshape(shape)


def holders(call: Call, terms: Terms) -> np.ndarray:
    """Whether each term holds its bag's maximum, or may hold it after rounding: (terms, columns).

    If the maximum is NaN, no term holds it.
    """
    rows, errors = shortened(call)[terms.rows], row_errors(call)[terms.rows]
    slack = np.where(errors > 0, errors * np.abs(rows), 0.0)
    largest = np.full((terms.bag_count, rows.shape[1]), -np.inf)
    reduce_into(largest, np.maximum, terms.bags, rows - slack)
    return np.asarray(rows + slack >= largest[terms.bags])


def nearest(name: str, call: Call, got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the right answer that is nearest to `got`; `wanted` itself if no rows tie.

    If `wanted` is not a right answer itself, it is returned unchanged.
    """
    if name not in _HOLDS_GRADIENT or not is_maximum(call) or got.shape != wanted.shape:
        return wanted
    choices = Choices.of(call)
    if choices is None:
        return wanted
    start, sign = _origin(name, call)
    stated = gradient_within(name, call, wanted)
    slack = _SLACK * unit_roundoff(wanted.dtype) * (np.abs(stated).max() + np.abs(start).max())
    if np.abs(choices.nearest(stated) - stated).max() > slack:
        return wanted
    # NaN has no nearest right answer, and will differ from whichever is taken.
    gradient = choices.nearest(np.nan_to_num(gradient_within(name, call, got)))
    right = np.where(choices.is_open, start + sign * gradient, wanted.astype(np.float64))
    return np.asarray(right.astype(wanted.dtype))


def gradient_within(name: str, call: Call, observed: np.ndarray) -> np.ndarray:
    """Return the gradient for the weight that an observation holds."""
    start, sign = _origin(name, call)
    return np.asarray(sign * (observed.astype(np.float64) - start))


def _origin(name: str, call: Call) -> tuple[np.ndarray, int]:
    """Return what an observation adds the gradient to, and the gradient's sign in it."""
    if name == Observation.TRAINED_WEIGHT:
        return shortened(call), -1
    weight = call.inputs["weight"].astype(np.float64)
    return (2 * weight if name in EARLIER_USES else np.zeros(weight.shape)), 1


@dataclass(frozen=True)
class Choices:
    """All right gradients of a call whose bags have tied rows, by row and column.

    Rows that tie in a bag form a group; groups that share a row are one group. A group is known by
    its first row. A gradient is right if each row's is between `low` and `high`, and if each
    group's adds up to its total. If each group is of one bag, this is exactly the set of
    subgradients.
    """

    low: np.ndarray
    high: np.ndarray
    groups: np.ndarray
    totals: np.ndarray
    """The sum of a group's gradient, at its first row."""
    is_open: np.ndarray
    """Whether the row shares a maximum with another one, which may have the gradient instead."""

    @classmethod
    def of(cls, call: Call) -> Choices | None:
        """Return the choices of a call; None if no two rows tie, or if a number is not finite."""
        terms, weight = terms_of(call), call.inputs["weight"]
        upstream = upstream_of(call, terms)
        if not np.isfinite(upstream).all() or not np.isfinite(weight.astype(np.float64)).all():
            return None
        # A row that a bag names twice holds its maximum once.
        _, first = np.unique(terms.bags * len(weight) + terms.rows, return_index=True)
        rows, bags = terms.rows[first], terms.bags[first]
        held = holders(call, terms)[first]
        tied_rows = np.zeros(upstream.shape)
        reduce_into(tied_rows, np.add, bags, held.astype(np.float64))
        shared = held & (tied_rows[bags] > 1)
        if not shared.any():
            return None
        passed = np.where(held, upstream[bags], 0.0)
        # A row that shares gets between nothing and all; one that holds it alone, exactly all.
        low, high, is_open = np.zeros(weight.shape), np.zeros(weight.shape), np.zeros(weight.shape)
        reduce_into(low, np.add, rows, np.where(shared, np.minimum(passed, 0.0), passed))
        reduce_into(high, np.add, rows, np.where(shared, np.maximum(passed, 0.0), passed))
        reduce_into(is_open, np.add, rows, shared.astype(np.float64))
        groups, of_bags = _linked(rows, bags, held, weight.shape, len(upstream))
        return cls(low, high, groups, _by_group(of_bags, upstream, weight.shape), is_open > 0)

    def nearest(self, gradient: np.ndarray) -> np.ndarray:
        """Return the right gradient nearest to a given one.

        The given one is clipped to the limits. What a group then lacks is spread over its rows: in
        proportion to what they have, or evenly if they have nothing at all.
        """
        clipped = np.clip(gradient, self.low, self.high)
        sizes, members = np.abs(clipped), (self.low != self.high).astype(np.float64)
        lacks = self.totals - _by_group(self.groups, clipped, clipped.shape)
        whole, number, lacking = (
            np.take_along_axis(what, self.groups, axis=0)
            for what in (
                _by_group(self.groups, sizes, sizes.shape),
                _by_group(self.groups, members, members.shape),
                lacks,
            )
        )
        lacking[np.abs(lacking) <= 2 * number * DOUBLE * whole] = 0  # It was added up in float64.
        shares = np.where(whole > 0, sizes / np.where(whole > 0, whole, 1), 0.0)
        evenly = members / np.maximum(number, 1)
        filled = clipped + lacking * np.where(whole > 0, shares, evenly)
        return np.asarray(np.clip(filled, self.low, self.high))


def _linked(
    rows: np.ndarray, bags: np.ndarray, held: np.ndarray, shape: tuple[int, ...], bag_count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of the group of each row, and of each bag, in each column.

    A bag without a maximum belongs to no group, and is given the number of rows.
    """
    groups = np.broadcast_to(np.arange(shape[0])[:, None], shape).copy()
    # Each round passes the smallest row number from a row to its bags and from a bag to its rows,
    # until all linked rows have it.
    while True:
        of_bags = np.full((bag_count, shape[1]), shape[0])
        reduce_into(of_bags, np.minimum, bags, np.where(held, groups[rows], shape[0]))
        linked = groups.copy()
        reduce_into(linked, np.minimum, rows, np.where(held, of_bags[bags], shape[0]))
        if (linked == groups).all():
            return groups, of_bags
        groups = linked


def _by_group(groups: np.ndarray, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum the values of each group at its first row; values of no group are left out."""
    totals = np.zeros((shape[0] + 1, shape[1]))  # The last row takes values of no group.
    columns = np.broadcast_to(np.arange(shape[1]), groups.shape)
    np.add.at(totals, (groups, columns), values)
    return totals[:-1]

"""The terms that a call adds up, and the rounding errors of their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from embcheck.conformance.contract.call import Call

DOUBLE = 2.0**-53
"""The unit roundoff of the reference's own arithmetic, float64."""
SINGLE = 2.0**-24
"""The unit roundoff of float32, in which narrower dtypes are often added up."""


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is a floating one, of NumPy or of ml_dtypes."""
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float8"))


def unit_roundoff(dtype: np.dtype[Any]) -> float:
    """Return the unit roundoff of a floating dtype; 0 for any other."""
    if not is_floating(dtype):
        return 0.0
    return float(ml_dtypes.finfo(dtype).eps) / 2  # type: ignore[no-untyped-call]


def smallest(dtype: np.dtype[Any]) -> float:
    """Return the smallest positive number of a floating dtype, a subnormal one."""
    return float(ml_dtypes.finfo(dtype).smallest_subnormal)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Terms:
    """The entries that take part in a call: their rows, bags, factors and places in the input.

    Each entry of a plain lookup is a bag of its own. Padding takes no part; nor do entries outside
    of all bags.
    """

    rows: np.ndarray
    bags: np.ndarray
    factors: np.ndarray
    places: np.ndarray
    bag_count: int

    @property
    def bag_sizes(self) -> np.ndarray:
        """How many terms each bag has: (bags, 1)."""
        return np.bincount(self.bags, minlength=self.bag_count)[:, None]


def terms_of(call: Call) -> Terms:
    """Find the terms of a valid call."""
    rows = call.inputs["indices"].reshape(-1).astype(np.int64)
    places = np.arange(rows.size)
    bag_count, bags = _bags(call) if call.operation.is_bag else (rows.size, places)
    factors = np.ones(rows.size)
    if "per_sample_weights" in call.inputs:
        factors = call.inputs["per_sample_weights"].astype(np.float64).reshape(-1)
    # Entries before the first offset have bag -1. With `include_last_offset`, entries after the
    # last offset have a bag that does not exist.
    taken = (bags >= 0) & (bags < bag_count)
    padding = call.option("padding_idx")
    if padding is not None:
        taken &= rows != padding % len(call.inputs["weight"])
    return Terms(rows[taken], bags[taken], factors[taken], places[taken], bag_count)


def _bags(call: Call) -> tuple[int, np.ndarray]:
    """Return the number of bags, and the bag of each entry."""
    indices = call.inputs["indices"]
    if indices.ndim == 2:
        return len(indices), np.repeat(np.arange(len(indices)), indices.shape[1])
    offsets = call.inputs["offsets"]
    owner = np.searchsorted(offsets, np.arange(len(indices)), side="right") - 1
    return len(offsets) - bool(call.option("include_last_offset")), owner


def reduce_into(
    target: np.ndarray, ufunc: np.ufunc, owners: np.ndarray, values: np.ndarray
) -> None:
    """Reduce values into the rows of `target` that own them, like `ufunc.at`, but faster."""
    if not owners.size:
        return
    # `reduceat` reduces runs, so the values of one owner have to be neighbours.
    if (owners[1:] < owners[:-1]).any():
        order = np.argsort(owners, kind="stable")
        owners, values = owners[order], values[order]
    starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
    found = owners[starts]
    target[found] = ufunc(target[found], ufunc.reduceat(values, starts, axis=0))


@dataclass
class Sums:
    """Sums of terms, and for each element what its error bound depends on."""

    counts: np.ndarray
    """How many terms there are: (n, 1), or (n, D) where columns differ."""
    total: np.ndarray
    """The sum, in float64."""
    absolute: np.ndarray
    """The sum of the absolute values of the terms."""
    quantum: np.ndarray
    """A power of two of which all terms are multiples; 0 where there is none."""
    blurred: np.ndarray
    """By how much the sum may be off because its terms are not known exactly."""

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Sums:
        """Return sums without terms."""
        zeros = np.zeros((3, *shape))
        return cls(np.zeros((shape[0], 1)), zeros[0], zeros[1], np.full(shape, np.inf), zeros[2])

    def add(
        self,
        owners: np.ndarray,
        values: np.ndarray,
        *factors: np.ndarray,
        divisors: np.ndarray | None = None,
        taken: np.ndarray | None = None,
    ) -> None:
        """Add terms to the sums that own them; a term is a product of (m, D) and (m, 1) arrays.

        `divisors` are whole numbers that divide the terms. `taken`, (m, D) booleans, says in which
        columns a term counts.
        """
        quanta = quantum_of(values)
        for factor in factors:
            values, quanta = values * factor, quanta * quantum_of(factor)
        if divisors is not None:
            values, quanta = values / divisors, _divided(quanta, divisors)
        if taken is None:
            taken = np.ones((len(owners), 1), bool)
        else:
            values, quanta = np.where(taken, values, 0.0), np.where(taken, quanta, np.inf)
        counts = np.zeros((len(self.counts), taken.shape[1]))
        reduce_into(counts, np.add, owners, taken.astype(np.float64))
        self.counts = self.counts + counts
        reduce_into(self.total, np.add, owners, values)
        reduce_into(self.absolute, np.add, owners, np.abs(values))
        reduce_into(self.quantum, np.minimum, owners, quanta)

    def blur(self, owners: np.ndarray, errors: np.ndarray, terms: np.ndarray) -> None:
        """Account for the relative errors of terms, given the terms' sizes."""
        if not errors.any():
            return
        reduce_into(self.blurred, np.add, owners, errors * terms)
        inexact = np.broadcast_to(np.where(errors > 0, 0.0, np.inf), terms.shape)
        reduce_into(self.quantum, np.minimum, owners, inexact)

    def divide(self, divisors: np.ndarray) -> None:
        """Divide the sums by integers."""
        self.total, self.absolute = self.total / divisors, self.absolute / divisors
        self.blurred = self.blurred / divisors
        self.quantum = _divided(self.quantum, divisors)

    def are_exact(self, dtype: np.dtype[Any]) -> np.ndarray:
        """Whether every sum of any of the terms is a number of the dtype, so that none is rounded.

        All such sums are multiples of the quantum, and at most as large as the sum of the absolute
        values. A dtype of unit roundoff 2**-p has all multiples up to 2**p times the quantum.
        """
        room = self.quantum / unit_roundoff(dtype)
        # The sum of the absolute values was itself rounded, in float64.
        return (self.absolute * (1 + 1e-9) <= room) & (self.quantum >= smallest(dtype))


def _divided(quanta: np.ndarray, divisors: np.ndarray) -> np.ndarray:
    """Return the quanta of quotients: 0 unless the divisor is a power of two."""
    is_power_of_two = divisors & (divisors - 1) == 0
    return np.asarray(np.where(is_power_of_two, quanta / divisors, 0.0))


def quantum_of(values: np.ndarray) -> np.ndarray:
    """Return the largest power of two that divides each number; infinite for zeros."""
    # Factors and upstream gradients are mostly all 1: one value is then enough.
    if values.size > 1 and (values == values.flat[0]).all():
        return np.broadcast_to(quantum_of(values.reshape(-1)[:1]), values.shape)
    mantissa, exponent = np.frexp(np.where(np.isfinite(values), values, 0.0))
    whole = (mantissa * 2.0**53).astype(np.int64)  # A float64 has 53 bits: this is exact.
    lowest_bit = (whole & -whole).astype(np.float64)
    with np.errstate(divide="ignore"):
        return np.where(whole == 0, np.inf, np.ldexp(lowest_bit, exponent - 53))

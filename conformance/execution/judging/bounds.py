"""How far a correct implementation may be from the reference's answer, derived from the call.

The reference computes in float64 and rounds once. A correct implementation uses the dtype of the
answer or a wider one, in any order, and may round at any step: it may store an intermediate result,
divide by multiplying with a reciprocal, or divide each term before it adds.

- A lookup, a maximum and an entry of a sparse gradient that nothing scales are copies: no error.
- A sum of n terms in any order is within (n - 1) * u * sum(|terms|) of the exact one, u being the
  unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, section
  4.2, eq. 4.4, there with gamma_{n-1} = (n-1)u / (1 - (n-1)u); without the denominator, and for any
  n, by Jeannerod and Rump, Improved error bounds for inner products in floating-point arithmetic,
  SIAM J. Matrix Anal. Appl. 34(2), 2013). Each further rounding of the terms or of the result adds
  u: section 3.1 for products, where an inner product of n terms is within n * u * sum(|terms|).
- If that bound allows an eighth of the terms or more, almost any answer is within it. Such a sum
  gets a likely bound instead, 4 * sqrt(n - 1) * u * sum(|terms|), if that allows less than an
  eighth. If roundings are independent and as often up as down, adding from left to right exceeds it
  with a probability below 2 * exp(-4**2 / 2), one in 1,490. For terms of one size, whose partial
  sums grow evenly, the probability is below 2 * exp(-3 * 4**2 / 2), one in 10**10 (Higham and Mary,
  A new approach to probabilistic rounding error analysis, SIAM J. Sci. Comput. 41(5), 2019, theorem
  2.4).
- Longer sums get the bound of adding in pairs, ceil(log2(n)) * u * sum(|terms|) (Higham 2002,
  section 4.2, eq. 4.6), or of adding in float32, (n - 1) * 2**-24 * sum(|terms|), if that is more.
  Adding them from left to right in a narrow dtype has no useful bound, not even a likely one: at
  some size, the sum no longer grows. docs/oracle.md says how often that fails.
- If even that allows an eighth of the terms, there is no honest bound (`Bound.is_honest`).
- A sum is exact in any order if all its partial sums are numbers of the dtype, as those of small
  integers are (`Sums.are_exact`). Then only the exact sum is right.
- A subnormal product or quotient also has an absolute error of half the smallest number (section
  2.1, eq. 2.8); a sum has none.
- A row shortened to `max_norm` has the relative error of its norm and of the division.
- The gradient of a maximum may be split among the entries that hold it (`ties`). A split is
  rounded: each of k equal parts once, and their sum like any other sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.execution.judging.shortened import row_errors, shortened
from embcheck.conformance.execution.judging.stored import (
    errors_of,
    of_terms,
    reach_of,
    scheme_of,
)
from embcheck.conformance.execution.judging.terms import (
    DOUBLE,
    SINGLE,
    Sums,
    Terms,
    is_floating,
    reduce_into,
    smallest,
    terms_of,
    unit_roundoff,
)
from embcheck.conformance.execution.judging.ties import (
    Choices,
    gradient_within,
    holders,
    is_maximum,
    upstream_of,
)
from embcheck.conformance.execution.judging.whole import adds_up_exactly

STEP_EPSILONS: Mapping[str, float] = {
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: 1e-10,
    Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM: 1e-8 / 0.001**0.5,
}
"""The first step of these optimisers is g / (|g| + epsilon)."""
_STORED = 2
"""Roundings of any result: the implementation's when it is stored, and the reference's."""
_ROUNDINGS_OF_DIVISION = 2
"""One as a division; two as a product with the rounded reciprocal."""
_ROUNDINGS_OF_STEP = 12
"""Squares, roots, corrections and the division of a first step, rounded up."""


LIKELY = 4.0
"""How many standard deviations, at most, the roundings of a sum may add up to."""
WIDEST = 1 / 8
"""A bound that allows this part of a value, or more, no longer tells right from wrong."""


@dataclass(frozen=True)
class Bound:
    """The largest allowed difference for each element, and what it is measured against."""

    allowed: np.ndarray
    scale: np.ndarray
    """The size of the value, or of its terms if these cancel."""
    is_of_group: bool = False
    """Whether the scale is the distance between the ends of a stored group, also for small
    values."""

    @property
    def is_honest(self) -> bool:
        """Whether the bound allows less than an eighth of each value, or of terms that cancel."""
        return _widest(self.allowed, self.scale) < WIDEST

    def width(self, expected: np.ndarray) -> float:
        """Return the largest part of a value that is allowed, or of its terms if the value is 0."""
        if self.is_of_group:
            return _widest(self.allowed, self.scale)
        magnitude = _magnitude(expected)
        # The smaller one: a sum that cancels is less than its terms, a step less than its weight.
        known = np.where(magnitude == 0, self.scale, np.minimum(magnitude, self.scale))
        return _widest(self.allowed, known)


def bound(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    """Return the largest allowed difference for each element of an observation."""
    return bound_of(name, call, expected).allowed


def bound_of(name: str, call: Call, expected: np.ndarray) -> Bound:
    """Derive the bound of an observation from its call."""
    derive = _BOUNDS.get(name)
    knows_terms = "weight" in call.inputs and call.operation is not Operation.PROBE
    if derive is None or not knows_terms or not is_floating(expected.dtype) or not expected.size:
        return _exact(expected)  # What a probe computes is unknown here.
    if call.operation.is_quantized:
        return _of_stored(call, expected, name)
    if adds_up_exactly(name, call, expected.dtype):
        return _exact(expected)
    with np.errstate(invalid="ignore", over="ignore"):
        derived = derive(call, expected, name)
    # With infinite terms, the result is exactly NaN or an infinity, or they are left out.
    return Bound(
        np.nan_to_num(derived.allowed, nan=0.0, posinf=0.0).reshape(expected.shape),
        derived.scale.reshape(expected.shape),
    )


def _of_stored(call: Call, expected: np.ndarray, name: str) -> Bound:
    """Bound an answer from a stored table: the table's own bound, plus what the scheme loses."""
    table, scheme = call.inputs["weight"], scheme_of(call)
    added = bound_of(name, call.of_floats(), expected)
    lost, reach = (
        of_terms(name, call, sizes(table, scheme)).reshape(expected.shape)
        for sizes in (errors_of, reach_of)
    )
    allowed = np.nan_to_num(added.allowed + lost, nan=0.0, posinf=0.0)
    # Within a group, levels are as far from small numbers as from large ones.
    scale = np.maximum(added.scale, np.nan_to_num(reach, nan=0.0, posinf=0.0))
    return Bound(allowed, scale, is_of_group=True)


def copies(name: str, call: Call) -> bool:
    """Whether an observation is a copy of what the caller gave, and so keeps the sign of a zero.

    A sum does not keep it: a sum may begin with 0, and 0 + -0.0 is 0.
    """
    if name == Observation.WEIGHT_AFTER:
        return True
    is_lookup = "weight" in call.inputs and not call.operation.is_bag
    if call.operation.is_quantized:
        return False
    reduces_nothing = call.operation not in (Operation.ONE_HOT, Operation.PROBE)
    return name == Observation.OUTPUT and is_lookup and reduces_nothing


def _widest(allowed: np.ndarray, scale: np.ndarray) -> float:
    """Return the largest part of a finite scale that is allowed; infinite if the scale is 0."""
    counted = (allowed > 0) & np.isfinite(scale)
    with np.errstate(divide="ignore"):
        return float(np.max(allowed[counted] / scale[counted], initial=0.0))


def _exact(expected: np.ndarray) -> Bound:
    return Bound(np.zeros(expected.shape), np.zeros(expected.shape))


def _copied(_call: Call, expected: np.ndarray, _name: str) -> Bound:
    return _exact(expected)


def _relative(errors: np.ndarray, expected: np.ndarray) -> Bound:
    """Bound values by their relative errors."""
    magnitude = _magnitude(expected)
    return Bound(errors * magnitude, magnitude)


def _of_output(call: Call, expected: np.ndarray, _name: str) -> Bound:
    may_shorten = call.option("max_norm") is not None
    if not call.operation.is_bag:
        errors = row_errors(call)[call.inputs["indices"]] if may_shorten else np.zeros(1)
        return _relative(errors, expected)
    if is_maximum(call) and not may_shorten:
        return _exact(expected)  # A maximum is one of its terms, which nothing rounded.
    terms, mode = terms_of(call), call.option("mode")
    rows, errors = shortened(call)[terms.rows], row_errors(call)[terms.rows]
    if mode == "max":
        allowed = np.zeros(expected.shape)
        reduce_into(allowed, np.maximum, terms.bags, errors * np.abs(rows))
        return Bound(allowed, _magnitude(expected))
    factors = terms.factors[:, None]
    sums = Sums.empty(expected.shape)
    sums.add(terms.bags, rows, factors)
    sums.blur(terms.bags, errors, np.abs(rows * factors))
    if mode == "mean":
        sums.divide(np.maximum(terms.bag_sizes, 1))
        return _rounded(sums, expected, _ROUNDINGS_OF_DIVISION)
    return _rounded(sums, expected, int("per_sample_weights" in call.inputs))


def _of_weight_after(call: Call, expected: np.ndarray, _name: str) -> Bound:
    return _relative(row_errors(call), expected)


def _of_gradient(call: Call, expected: np.ndarray, name: str) -> Bound:
    """Bound the weight's gradient, also after an earlier use, or the weight after a plain step."""
    sums, roundings = _gradient(call, expected.shape)
    if is_maximum(call):
        _share_unequally(call, sums, gradient_within(name, call, expected))
    if name == Observation.GRAD_WEIGHT:
        return _rounded(sums, expected, roundings)
    every_row = np.arange(len(expected))
    if name == Observation.TRAINED_WEIGHT:
        weight = shortened(call)
        sums.add(every_row, weight)
        sums.blur(every_row, row_errors(call), np.abs(weight))
    else:
        sums.add(every_row, 2 * call.inputs["weight"].astype(np.float64))
    # The gradient may be stored before the weight is added.
    return _rounded(sums, expected, roundings + 1)


def _of_first_step(call: Call, expected: np.ndarray, name: str) -> Bound:
    """Bound w - g / (|g| + epsilon); where the sign of g is uncertain, the step is open."""
    sums, roundings = _gradient(call, expected.shape)
    error = _rounded(sums, expected, roundings).allowed
    nearest = np.maximum(np.abs(sums.total) - error, 0.0)
    epsilon = STEP_EPSILONS[name]
    # The step's slope, epsilon / (|g| + epsilon)**2, is steepest at the smallest possible gradient.
    # A step is between -1 and 1, so an allowance of 2 leaves it open.
    swing = np.where((nearest == 0) & (error > 0), 2.0, error * epsilon / (nearest + epsilon) ** 2)
    choices = Choices.of(call) if is_maximum(call) else None
    if choices is not None:
        swing = np.where(choices.is_open, 2.0, swing)
    weight = np.abs(shortened(call))
    rounded = _ROUNDINGS_OF_STEP * unit_roundoff(expected.dtype) * (1 + weight)
    allowed = np.minimum(swing, 2.0) + rounded + row_errors(call) * weight
    return Bound(allowed, np.ones(expected.shape))  # The step is measured, not the weight.


def _of_entries(call: Call, expected: np.ndarray, _name: str) -> Bound:
    """Bound the entries of a sparse gradient, each of which is one term."""
    roundings = _roundings_of_term(call)
    if not roundings:
        return _exact(expected)
    roundoff, magnitude = unit_roundoff(expected.dtype), _magnitude(expected)
    allowed = (roundings + _STORED) * roundoff * magnitude + smallest(expected.dtype)
    return Bound(np.where(magnitude > 0, allowed, 0.0), magnitude)


def _of_factors(call: Call, expected: np.ndarray, _name: str) -> Bound:
    """Bound the gradient for each per-sample weight: a row times its upstream gradient."""
    terms = terms_of(call)
    rows = shortened(call)[terms.rows]
    upstream = upstream_of(call, terms)[terms.bags]
    owners = np.repeat(terms.places, rows.shape[1])
    sums = Sums.empty((expected.size, 1))
    sums.add(owners, rows.reshape(-1, 1), upstream.reshape(-1, 1))
    errors = np.broadcast_to(row_errors(call)[terms.rows], rows.shape)
    sums.blur(owners, errors.reshape(-1, 1), np.abs(rows * upstream).reshape(-1, 1))
    return _rounded(sums, expected, 1)


_BOUNDS: Mapping[str, Callable[[Call, np.ndarray, str], Bound]] = {
    Observation.OUTPUT: _of_output,
    Observation.WEIGHT_AFTER: _of_weight_after,
    Observation.GRAD_WEIGHT: _of_gradient,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: _of_gradient,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: _of_gradient,
    Observation.TRAINED_WEIGHT: _of_gradient,
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: _of_first_step,
    Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM: _of_first_step,
    Observation.SPARSE_GRAD_VALUES: _of_entries,
    Observation.GRAD_PER_SAMPLE_WEIGHTS: _of_factors,
    # Exact in floats, but listed, since a scheme loses some of it.
    Observation.STORED_WEIGHT: _copied,
}


def _rounded(sums: Sums, expected: np.ndarray, roundings: int) -> Bound:
    """Bound sums whose terms or results have `roundings` roundings besides the additions."""
    roundoff = unit_roundoff(expected.dtype)
    additions = np.maximum(sums.counts - 1, 0)
    others = roundings + _STORED
    allowed = (_errors_of_addition(additions, others, roundoff) + others * roundoff) * sums.absolute
    # The reference's own errors, in float64.
    allowed += (additions + roundings) * DOUBLE * sums.absolute
    if roundings:
        # If all terms are 0, nothing is rounded to a subnormal number.
        allowed += np.where(sums.absolute > 0, (sums.counts + 1) * smallest(expected.dtype), 0.0)
    allowed = np.where(sums.are_exact(expected.dtype), 0.0, allowed) + sums.blurred
    return Bound(allowed, np.maximum(sums.absolute, _magnitude(expected).reshape(allowed.shape)))


def _errors_of_addition(additions: np.ndarray, others: int, roundoff: float) -> np.ndarray:
    """Return the relative error that additions may leave, besides `others` further roundings."""
    # The certain bound if it is below an eighth; else the likely one; else pairs, or float32.
    certain, likely = additions, LIKELY * np.sqrt(additions)
    pairs = np.ceil(np.log2(additions + 1))
    wide = additions * (SINGLE / roundoff) if roundoff > SINGLE else pairs
    room = WIDEST / roundoff - others
    long = np.maximum(np.where(likely < room, likely, pairs), np.maximum(pairs, wide))
    return np.where(certain < room, certain, long) * roundoff


def _gradient(call: Call, shape: tuple[int, ...]) -> tuple[Sums, int]:
    """Return the sums of each row's gradient, and how often their terms are rounded."""
    terms = terms_of(call)
    sums = Sums.empty(shape)
    upstream = upstream_of(call, terms)
    if is_maximum(call):
        return _gradient_of_maximum(call, terms, sums, upstream)
    divisors = None
    if call.operation.is_bag and call.option("mode") == "mean":
        divisors = np.maximum(terms.bag_sizes, 1)[terms.bags]
    sums.add(terms.rows, upstream[terms.bags], terms.factors[:, None], divisors=divisors)
    if call.option("scale_grad_by_freq"):
        counts = np.bincount(call.inputs["indices"].reshape(-1), minlength=shape[0])
        sums.divide(np.maximum(counts, 1)[:, None])
    return sums, _roundings_of_term(call)


def _gradient_of_maximum(
    call: Call, terms: Terms, sums: Sums, upstream: np.ndarray
) -> tuple[Sums, int]:
    """Return the sums of each row's gradient if the rows that hold a maximum share it equally."""
    held = holders(call, terms)
    parts = np.zeros(upstream.shape, np.int64)
    reduce_into(parts, np.add, terms.bags, held.astype(np.int64))
    divisors = np.maximum(parts, 1)[terms.bags]
    sums.add(terms.rows, upstream[terms.bags], divisors=divisors, taken=held)
    return sums, _ROUNDINGS_OF_DIVISION * bool((parts > 1).any())


def _share_unequally(call: Call, sums: Sums, gradient: np.ndarray) -> None:
    """Widen the sums for rows that get more than equal parts in the expected gradient.

    What such a row gets is as large as its parts together. If its parts cancel, it may get all that
    it holds.
    """
    terms = terms_of(call)
    upstream = upstream_of(call, terms)[terms.bags]
    passed = np.where(holders(call, terms), upstream, 0.0)
    whole = np.zeros(gradient.shape)
    reduce_into(whole, np.add, terms.rows, np.abs(passed))
    cancels = np.abs(sums.total) < sums.absolute
    sums.absolute = np.where(cancels, whole, np.maximum(sums.absolute, np.abs(gradient)))


def _roundings_of_term(call: Call) -> int:
    """Count the products and divisions between an upstream gradient and a row's share of it."""
    is_mean = call.operation.is_bag and call.option("mode") == "mean"
    divisions = is_mean + bool(call.option("scale_grad_by_freq"))
    return _ROUNDINGS_OF_DIVISION * divisions + ("per_sample_weights" in call.inputs)


def _magnitude(expected: np.ndarray) -> np.ndarray:
    return np.abs(expected.astype(np.float64))

"""How far a correct implementation may be from the reference's answer, derived from the call.

The reference computes in float64 and rounds once. A correct implementation uses the dtype of the
answer or a wider one, in any order, and may round whenever it likes: it may store an intermediate
result, divide by multiplying with a reciprocal, or divide each term before it adds.

- A lookup, a maximum and an entry of a sparse gradient that nothing scales are copies: no error.
- A sum of n terms in any order is within (n - 1) * u * sum(|terms|) of the exact one, u being the
  unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, section
  4.2, eq. 4.4, there with gamma_{n-1} = (n-1)u / (1 - (n-1)u); without the denominator, and for any
  n, by Jeannerod and Rump, Improved error bounds for inner products in floating-point arithmetic,
  SIAM J. Matrix Anal. Appl. 34(2), 2013). Each further rounding of the terms or of the result adds
  u: section 3.1 for products, where an inner product of n terms is within n * u * sum(|terms|).
- A sum is exact in any order if all its partial sums are numbers of the dtype, as those of small
  integers are (`Sums.are_exact`); then nothing but the exact sum is right.
- A product or quotient that is subnormal has an absolute error of half the smallest number too
  (section 2.1, eq. 2.8); a sum has none.
- A row shortened to `max_norm` has the relative error of its norm and of the division.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.execution.terms import (
    DOUBLE,
    Sums,
    Terms,
    is_floating,
    smallest,
    terms_of,
    unit_roundoff,
)

RENORM_EPSILON = 1e-7
"""PyTorch divides by norm + 1e-7; the documentation asks for a norm of `max_norm`."""
STEP_EPSILONS: Mapping[str, float] = {
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: 1e-10,
    Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM: 1e-8 / 0.001**0.5,
}
"""The first step of these optimisers is g / (|g| + epsilon)."""
_STORED = 2
"""Roundings that any result has seen: the implementation's, when stored, and the reference's."""
_ROUNDINGS_OF_DIVISION = 2
"""One as a division; two as a product with the rounded reciprocal."""
_ROUNDINGS_OF_STEP = 12
"""Squares, roots, corrections and the division of a first step, rounded up."""


def bound(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    """Return the largest allowed difference for each element of an observation."""
    derive = _BOUNDS.get(name)
    knows_terms = "weight" in call.inputs and call.operation is not Operation.PROBE
    if derive is None or not knows_terms or not is_floating(expected.dtype) or not expected.size:
        return np.zeros(expected.shape)  # Only a probe knows what it computes.
    with np.errstate(invalid="ignore", over="ignore"):
        allowed = derive(call, expected, name)
    # Infinite terms bound nothing: what comes of them is NaN, an infinity or left out, exactly.
    return np.asarray(np.nan_to_num(allowed, nan=0.0, posinf=0.0)).reshape(expected.shape)


def _of_output(call: Call, expected: np.ndarray, name: str) -> np.ndarray:
    del name
    if not call.operation.is_bag:
        return np.asarray(_row_errors(call)[call.inputs["indices"]] * _magnitude(expected))
    terms, mode = terms_of(call), call.options.get("mode", "mean")
    rows, errors = _shortened(call)[terms.rows], _row_errors(call)[terms.rows]
    if mode == "max":
        allowed = np.zeros(expected.shape)
        np.maximum.at(allowed, terms.bags, errors * np.abs(rows))
        return allowed
    factors = terms.factors[:, None]
    sums = Sums.empty(expected.shape)
    sums.add(terms.bags, rows, factors)
    sums.blur(terms.bags, errors, np.abs(rows * factors))
    if mode == "mean":
        sums.divide(np.maximum(terms.bag_sizes, 1))
        return _rounded(sums, expected, _ROUNDINGS_OF_DIVISION)
    return _rounded(sums, expected, int("per_sample_weights" in call.inputs))


def _of_weight_after(call: Call, expected: np.ndarray, name: str) -> np.ndarray:
    del name
    return np.asarray(_row_errors(call) * _magnitude(expected))


def _of_gradient(call: Call, expected: np.ndarray, name: str) -> np.ndarray:
    """Bound the gradient for the weight, and what an earlier use or a plain step makes of it."""
    sums, roundings = _gradient(call, expected.shape)
    if name == Observation.GRAD_WEIGHT:
        return _rounded(sums, expected, roundings)
    every_row = np.arange(len(expected))
    if name == Observation.TRAINED_WEIGHT:
        weight = _shortened(call)
        sums.add(every_row, weight)
        sums.blur(every_row, _row_errors(call), np.abs(weight))
    else:
        sums.add(every_row, 2 * call.inputs["weight"].astype(np.float64))
    # The gradient may be stored before the weight joins it.
    return _rounded(sums, expected, roundings + 1)


def _of_first_step(call: Call, expected: np.ndarray, name: str) -> np.ndarray:
    """Bound w - g / (|g| + epsilon); where the sign of g is not certain, neither is the step's."""
    sums, roundings = _gradient(call, expected.shape)
    error = _rounded(sums, expected, roundings)
    nearest = np.maximum(np.abs(sums.total) - error, 0.0)
    if call.options.get("mode") == "max":
        nearest = np.zeros(expected.shape)  # Which terms are the maxima is not known here.
    epsilon = STEP_EPSILONS[name]
    swing = np.where((nearest == 0) & (error > 0), 2.0, error * epsilon / (nearest + epsilon) ** 2)
    weight = np.abs(_shortened(call))
    rounded = _ROUNDINGS_OF_STEP * unit_roundoff(expected.dtype) * (1 + weight)
    return np.asarray(np.minimum(swing, 2.0) + rounded + _row_errors(call) * weight)


def _of_entries(call: Call, expected: np.ndarray, name: str) -> np.ndarray:
    """Bound the entries of a sparse gradient, each of which is one term."""
    del name
    roundings = _roundings_of_term(call)
    if not roundings:
        return np.zeros(expected.shape)
    roundoff = unit_roundoff(expected.dtype)
    return np.asarray(
        (roundings + _STORED) * roundoff * _magnitude(expected) + smallest(expected.dtype)
    )


def _of_factors(call: Call, expected: np.ndarray, name: str) -> np.ndarray:
    """Bound the gradient for each per-sample weight: a row times its upstream gradient."""
    del name
    terms = terms_of(call)
    rows = _shortened(call)[terms.rows]
    upstream = _upstream(call, terms)[terms.bags]
    owners = np.repeat(terms.places, rows.shape[1])
    sums = Sums.empty((expected.size, 1))
    sums.add(owners, rows.reshape(-1, 1), upstream.reshape(-1, 1))
    errors = np.broadcast_to(_row_errors(call)[terms.rows], rows.shape)
    sums.blur(owners, errors.reshape(-1, 1), np.abs(rows * upstream).reshape(-1, 1))
    return _rounded(sums, expected, 1)


_BOUNDS: Mapping[str, Callable[[Call, np.ndarray, str], np.ndarray]] = {
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
}


def _rounded(sums: Sums, expected: np.ndarray, roundings: int) -> np.ndarray:
    """Bound sums whose terms or results are rounded so many times beside the additions."""
    roundoff, additions = unit_roundoff(expected.dtype), np.maximum(sums.counts - 1, 0)
    allowed = (additions + roundings + _STORED) * roundoff * sums.absolute
    allowed += (additions + roundings) * DOUBLE * sums.absolute
    if roundings:
        allowed += (sums.counts + 1) * smallest(expected.dtype)
    return np.asarray(np.where(sums.are_exact(expected.dtype), 0.0, allowed) + sums.blurred)


def _gradient(call: Call, shape: tuple[int, ...]) -> tuple[Sums, int]:
    """Return what each row's gradient adds up, and how often its terms are rounded."""
    terms = terms_of(call)
    sums = Sums.empty(shape)
    upstream = _upstream(call, terms)[terms.bags]
    shares = 1 / np.ones_like(terms.bag_sizes)
    if call.operation.is_bag and call.options.get("mode", "mean") == "mean":
        shares = 1 / np.maximum(terms.bag_sizes, 1)
    sums.add(terms.rows, upstream, terms.factors[:, None], shares[terms.bags])
    if call.options.get("scale_grad_by_freq"):
        counts = np.bincount(call.inputs["indices"].reshape(-1), minlength=shape[0])
        sums.divide(np.maximum(counts, 1)[:, None])
    return sums, _roundings_of_term(call)


def _roundings_of_term(call: Call) -> int:
    """Count the products and divisions between an upstream gradient and a row's share of it."""
    is_mean = call.operation.is_bag and call.options.get("mode", "mean") == "mean"
    divisions = is_mean + bool(call.options.get("scale_grad_by_freq"))
    return _ROUNDINGS_OF_DIVISION * divisions + ("per_sample_weights" in call.inputs)


def _upstream(call: Call, terms: Terms) -> np.ndarray:
    """Return the upstream gradient: (bags, columns)."""
    shape = (terms.bag_count, call.inputs["weight"].shape[1])
    upstream = call.inputs.get("grad_output")
    return np.ones(shape) if upstream is None else upstream.astype(np.float64).reshape(shape)


def _magnitude(expected: np.ndarray) -> np.ndarray:
    return np.abs(expected.astype(np.float64))


def _norms(call: Call) -> np.ndarray:
    """Return the length of each row: (rows, 1)."""
    weight = call.inputs["weight"].astype(np.float64)
    order = float(call.options.get("norm_type", 2.0))
    return np.asarray(np.linalg.norm(weight, order, axis=1, keepdims=True))


def _shortened(call: Call) -> np.ndarray:
    """Return the weight, its named rows shortened to `max_norm`."""
    weight = call.inputs["weight"].astype(np.float64)
    max_norm = call.options.get("max_norm")
    if max_norm is None:
        return weight
    norms = _norms(call)
    is_long = _are_named(call) & (norms > float(max_norm))
    return np.where(is_long, weight * (float(max_norm) / np.where(is_long, norms, 1)), weight)


def _row_errors(call: Call) -> np.ndarray:
    """Return the relative error that shortening may leave in each row: (rows, 1).

    A norm of D columns rounds D powers, D - 1 additions and a root; a relative error of a sum is
    divided by p in its p-th root. The norm is stored, and the row divided, multiplied and stored.
    """
    rows, columns = call.inputs["weight"].shape
    max_norm = call.options.get("max_norm")
    if max_norm is None:
        return np.zeros((rows, 1))
    order = abs(float(call.options.get("norm_type", 2.0))) or 1.0
    roundoff = unit_roundoff(call.inputs["weight"].dtype)
    norms = _norms(call)
    with np.errstate(divide="ignore"):
        error = ((columns + 3) / order + 8) * roundoff + RENORM_EPSILON / norms
    may_shorten = ~(norms < float(max_norm) * (1 - error)) & (norms != 0)
    return np.where(_are_named(call) & may_shorten, error, 0.0)


def _are_named(call: Call) -> np.ndarray:
    """Whether each row is named by an index: (rows, 1)."""
    rows = np.arange(len(call.inputs["weight"]))
    return np.isin(rows, call.inputs["indices"])[:, None]

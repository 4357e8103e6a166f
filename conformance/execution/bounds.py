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
        allowed = derive(name, call, expected)
    # Infinite terms bound nothing: what comes of them is NaN, an infinity or left out, exactly.
    return np.asarray(np.nan_to_num(allowed, nan=0.0, posinf=0.0)).reshape(expected.shape)


def _of_output(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    if not call.operation.is_bag:
        return _row_errors(call)[call.inputs["indices"]] * _magnitude(expected)
    terms, mode = terms_of(call), call.options.get("mode", "mean")
    if mode == "max":
        return _of_maximum(call, terms, expected)
    weight, errors = _lengths_kept(call), _row_errors(call)[terms.rows]
    sums = Sums.empty(expected.shape)
    sums.add(terms.bags, weight[terms.rows], terms.factors[:, None])
    roundings = "per_sample_weights" in call.inputs
    shortened = np.zeros(expected.shape)
    np.add.at(shortened, terms.bags, errors * np.abs(weight[terms.rows] * terms.factors[:, None]))
    if mode == "mean":
        sizes = np.maximum(terms.bag_sizes, 1)
        sums.absolute, sums.quantum = sums.absolute / sizes, np.zeros(expected.shape)
        return _rounded(sums, expected, _ROUNDINGS_OF_DIVISION) + shortened / sizes
    del name
    return _rounded(sums, expected, int(roundings)) + shortened


def _of_maximum(call: Call, terms: Terms, expected: np.ndarray) -> np.ndarray:
    """Let a maximum be off by as much as any of its bag's rows may be."""
    allowed = np.zeros(expected.shape)
    errors = _row_errors(call) * np.abs(_lengths_kept(call))
    np.maximum.at(allowed, terms.bags, errors[terms.rows])
    return allowed


def _of_weight_after(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    del name
    return _row_errors(call) * _magnitude(expected)


def _of_gradient(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    """Bound the gradient for the weight, and what a plain step or an earlier use makes of it."""
    sums, roundings = _gradient_sums(call, expected.shape)
    if name == Observation.GRAD_WEIGHT:
        return _rounded(sums, expected, roundings)
    every_row = np.arange(len(expected))
    weight = call.inputs["weight"].astype(np.float64)
    if name == Observation.TRAINED_WEIGHT:
        weight = _lengths_kept(call)
        shortened = _row_errors(call) * np.abs(weight)
    else:
        weight, shortened = 2 * weight, np.zeros(expected.shape)
    sums.add(every_row, weight)
    # The gradient may be stored before the weight joins it.
    return _rounded(sums, expected, roundings + 1) + shortened


def _of_first_step(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    """Bound w - g / (|g| + epsilon): where the sign of g is not certain, neither is the step."""
    sums, roundings = _gradient_sums(call, expected.shape)
    error = _rounded(sums, expected, roundings)
    epsilon, roundoff = STEP_EPSILONS[name], unit_roundoff(expected.dtype)
    weight = _lengths_kept(call)
    gradient = _gradient(call, expected.shape)
    nearest = np.maximum(np.abs(gradient) - error, 0.0)
    swing = np.minimum(2.0, error * epsilon / (nearest + epsilon) ** 2)
    swing = np.where((nearest == 0) & (error > 0), 2.0, swing)
    rounded = _ROUNDINGS_OF_STEP * roundoff * (1 + np.abs(weight))
    return np.asarray(swing + rounded + _row_errors(call) * np.abs(weight))

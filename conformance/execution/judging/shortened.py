"""The rows of a call as `max_norm` shortens them, and the errors of shortening."""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.judging.terms import unit_roundoff

RENORM_EPSILON = 1e-7
"""PyTorch divides by norm + 1e-7; the documentation asks for a norm of `max_norm`."""


def norms_of(call: Call) -> np.ndarray:
    """Return the norm of each row, of order `norm_type`: (rows, 1)."""
    weight = call.inputs["weight"].astype(np.float64)
    order = float(call.option("norm_type"))
    return np.asarray(np.linalg.norm(weight, order, axis=1, keepdims=True))


def shortened(call: Call) -> np.ndarray:
    """Return the weight in float64, with the rows that indices name shortened to `max_norm`."""
    weight = call.inputs["weight"].astype(np.float64)
    max_norm = call.option("max_norm")
    if max_norm is None:
        return weight
    norms = norms_of(call)
    is_long = _are_named(call) & (norms > float(max_norm))
    scale = np.divide(float(max_norm), norms, out=np.ones_like(norms), where=is_long)
    with np.errstate(invalid="ignore"):  # an infinity times 0 is NaN, as in any implementation
        return np.asarray(weight * scale)


def row_errors(call: Call) -> np.ndarray:
    """Return the relative error that shortening may leave in each row: (rows, 1).

    A norm of D numbers that are not 0 rounds D powers, D - 1 additions and a root. The p-th root
    divides a sum's relative error by p. Then the norm is stored, and the row is divided, multiplied
    and stored. Adding a 0 rounds nothing.
    """
    rows = len(call.inputs["weight"])
    max_norm = call.option("max_norm")
    if max_norm is None:
        return np.zeros((rows, 1))
    order = abs(float(call.option("norm_type"))) or 1.0  # The norm of order 0 takes no root.
    roundoff = unit_roundoff(call.inputs["weight"].dtype)
    norms = norms_of(call)
    terms = np.count_nonzero(call.inputs["weight"].astype(np.float64), axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        error = ((terms + 3) / order + 8) * roundoff + RENORM_EPSILON / norms
    # Negated, since comparisons with NaN are false: a row whose norm is NaN may be shortened too.
    may_shorten = ~(norms < float(max_norm) * (1 - error)) & (norms != 0)
    return np.where(_are_named(call) & may_shorten, error, 0.0)


def _are_named(call: Call) -> np.ndarray:
    """Whether each row is named by an index: (rows, 1)."""
    rows = np.arange(len(call.inputs["weight"]))
    return np.isin(rows, call.inputs["indices"])[:, None]

"""How far a correct implementation may be from the exact result, derived from the call.

A lookup and a maximum copy, so they are exact. A sum of n terms in any order, rounded in a dtype
of unit roundoff u, is within gamma_n * sum(|terms|) of the exact sum, gamma_n = n*u / (1 - n*u)
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2). A row scaled to
`max_norm` carries the relative error of its norm and of the division.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation

RENORM_EPSILON = 1e-7
"""PyTorch divides by norm + 1e-7; the documentation asks for a norm of `max_norm`."""
_ENTRIES = (Observation.SPARSE_GRAD_ROWS, Observation.SPARSE_GRAD_VALUES)
_ADAPTIVE = (
    Observation.WEIGHT_TRAINED_BY_ADAGRAD,
    Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM,
)
"""Their first step in a direction is at most 1 long, however long the gradient is."""
_ROUNDINGS_OF_A_STEP = 12


def unit_roundoff(dtype: np.dtype[Any]) -> float:
    """Return the unit roundoff of a floating dtype; 0 for any other."""
    if not _is_floating(dtype):
        return 0.0
    return float(ml_dtypes.finfo(dtype).eps) / 2  # type: ignore[no-untyped-call]


def gamma(terms: int | np.ndarray, roundoff: float) -> np.ndarray:
    """Return n*u / (1 - n*u), the relative bound of a sum of n terms; 1 where it has no meaning."""
    product = np.minimum(np.asarray(terms) * roundoff, 0.5)
    return np.asarray(product / (1 - product))


def bound(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    """Return the largest allowed difference for each element of an observation."""
    exact = np.zeros(expected.shape)
    if not _is_floating(expected.dtype) or "weight" not in call.inputs:
        return exact
    if call.operation is Operation.PROBE or name == Observation.PRODUCT:
        return exact  # Only a probe knows what it computes; a product is one number and zeros.
    roundoff = unit_roundoff(expected.dtype)
    magnitude = np.abs(np.nan_to_num(expected.astype(np.float64), posinf=0.0, neginf=0.0))
    if name in _ENTRIES:
        return np.asarray(gamma(_roundings_of_an_entry(call), roundoff) * magnitude)
    scaling = _scaling_error(call, roundoff)
    if name in (Observation.WEIGHT_AFTER, Observation.OUTPUT) and not _sums(call, name):
        return np.asarray(_where_scaled(name, call, scaling) * magnitude)
    if name in _ADAPTIVE:
        step = 1 + 2 * np.abs(call.inputs["weight"].astype(np.float64))
        return np.asarray((gamma(_ROUNDINGS_OF_A_STEP, roundoff) + scaling) * step)
    factor = gamma(_terms(name, call), roundoff) + scaling
    with np.errstate(invalid="ignore"):
        allowed = factor * np.maximum(_absolute(name, call, expected), magnitude)
    # Infinite terms bound nothing: what comes of them is NaN, an infinity or left out, exactly.
    return np.asarray(np.nan_to_num(allowed, nan=0.0, posinf=0.0))


def _is_floating(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float8"))


def _sums(call: Call, name: str) -> bool:
    return (
        name == Observation.OUTPUT
        and call.operation.is_bag
        and call.options.get("mode", "mean") != "max"
    )


def _roundings_of_an_entry(call: Call) -> int:
    """Count them: an entry is a copy of its position's share, unless that is divided or scaled."""
    return 3 if call.operation.is_bag or call.options.get("scale_grad_by_freq") else 0


def _terms(name: str, call: Call) -> int | np.ndarray:
    """Count the roundings that one element may have seen; for each row where it differs."""
    if name == Observation.GRAD_PER_SAMPLE_WEIGHTS:
        return int(call.inputs["weight"].shape[-1]) + 1
    if name == Observation.OUTPUT:
        return _bag_sizes(call) + 3
    rows = len(call.inputs["weight"])
    return np.bincount(_legal_indices(call), minlength=rows)[:, None] + 3


def _absolute(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    """Return the sum of the absolute values of the terms, or a bound on it, for each element."""
    if name == Observation.OUTPUT:
        return _bag_absolute(call)
    weight = np.abs(call.inputs["weight"].astype(np.float64))
    if name == Observation.GRAD_PER_SAMPLE_WEIGHTS:
        largest = float(_absolute_upstream(call).max(initial=0.0))
        return np.full(expected.shape, largest * weight.sum(axis=-1).max(initial=0.0))
    total = np.zeros(expected.shape)
    np.add.at(total, call.inputs["indices"].reshape(-1), _absolute_shares(call))
    if name in (
        Observation.GRAD_WEIGHT_AFTER_EARLIER_USE,
        Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE,
        Observation.TRAINED_WEIGHT,
    ):
        total = total + 2 * weight
    return total


def _absolute_upstream(call: Call) -> np.ndarray:
    """Return the absolute upstream gradient: a row for each position of a lookup, or each bag."""
    columns = call.inputs["weight"].shape[-1]
    upstream = call.inputs.get("grad_output")
    if upstream is not None:
        return np.abs(upstream.astype(np.float64)).reshape(-1, columns)
    positions = _bags(call)[0] if call.operation.is_bag else call.inputs["indices"].size
    return np.ones((positions, columns))


def _absolute_shares(call: Call) -> np.ndarray:
    """Return the most that each position can pass on to its row: (positions, columns)."""
    upstream = _absolute_upstream(call)
    if not call.operation.is_bag:
        return upstream
    bags, owner = _bags(call)
    shares = np.zeros((len(owner), upstream.shape[1]))
    inside = owner < bags
    shares[inside] = upstream[owner[inside]]
    if "per_sample_weights" in call.inputs:
        factors = np.abs(call.inputs["per_sample_weights"].astype(np.float64))
        shares = shares * factors.reshape(-1, 1)
    return shares


def _legal_indices(call: Call) -> np.ndarray:
    flat = call.inputs["indices"].reshape(-1).astype(np.int64)
    return flat[(flat >= 0) & (flat < len(call.inputs["weight"]))]


def _bag_absolute(call: Call) -> np.ndarray:
    """Return the sum of the absolute values of each bag's terms, shared out by a mean."""
    weight = np.abs(call.inputs["weight"].astype(np.float64))
    rows = weight[call.inputs["indices"].reshape(-1)]
    if "per_sample_weights" in call.inputs:
        factors = np.abs(call.inputs["per_sample_weights"].astype(np.float64))
        with np.errstate(invalid="ignore"):
            rows = rows * factors.reshape(-1, 1)
    bags, owner = _members(call)
    total = np.zeros((bags, weight.shape[1]))
    inside = owner < bags
    np.add.at(total, owner[inside], rows[inside])
    if call.options.get("mode", "mean") == "mean":
        total /= np.maximum(_bag_sizes(call), 1)
    return total


def _bag_sizes(call: Call) -> np.ndarray:
    """Return how many entries each bag reduces: (bags, 1)."""
    bags, owner = _members(call)
    return np.bincount(owner[owner < bags], minlength=bags)[:, None]


def _members(call: Call) -> tuple[int, np.ndarray]:
    """Return the number of bags, and the bag of each entry; no bag for those that are padding."""
    bags, owner = _bags(call)
    padding = call.options.get("padding_idx")
    if padding is None:
        return bags, owner
    is_padding = call.inputs["indices"].reshape(-1) == padding % len(call.inputs["weight"])
    return bags, np.where(is_padding, bags, owner)


def _bags(call: Call) -> tuple[int, np.ndarray]:
    """Return the number of bags, and the bag of each entry."""
    indices = call.inputs["indices"]
    if indices.ndim == 2:
        return len(indices), np.repeat(np.arange(len(indices)), indices.shape[1])
    offsets = call.inputs["offsets"]
    owner = np.searchsorted(offsets, np.arange(len(indices)), side="right") - 1
    return len(offsets) - bool(call.options.get("include_last_offset")), owner


def _scaling_error(call: Call, roundoff: float) -> float:
    """Return the relative error that bringing a row to `max_norm` may leave; 0 without it."""
    max_norm = call.options.get("max_norm")
    if max_norm is None or call.operation is Operation.ONE_HOT:
        return 0.0
    order = float(call.options.get("norm_type", 2.0))
    columns = int(call.inputs["weight"].shape[-1])
    sharpness = max(1.0, 1.0 / abs(order)) if order else 1.0
    norm_error = (2 * (columns + 2) * sharpness + 6) * roundoff
    return norm_error + RENORM_EPSILON / max(abs(float(max_norm)), RENORM_EPSILON)


def _where_scaled(name: str, call: Call, scaling: float) -> float | np.ndarray:
    """Allow the error of scaling only for rows that are named and may be longer than max_norm."""
    if not scaling or (name == Observation.OUTPUT and call.operation.is_bag):
        return scaling
    weight = call.inputs["weight"].astype(np.float64)
    order, max_norm = (float(call.options.get(key, 2.0)) for key in ("norm_type", "max_norm"))
    norms = np.linalg.norm(weight, order, axis=1)
    may_scale = ~(norms < max_norm * (1 - scaling))
    if name == Observation.OUTPUT:
        return np.asarray(scaling * may_scale[call.inputs["indices"]][..., None])
    named = np.isin(np.arange(len(weight)), _legal_indices(call))
    return np.asarray(scaling * (may_scale & named)[:, None])

"""Gradients of sum(output * grad_output), dense and sparse, and the training steps."""

from __future__ import annotations

import numpy as np

from embcheck.backends.reference.definition.optimisers import OPTIMISERS
from embcheck.backends.reference.definition.positions import Positions
from embcheck.backends.reference.definition.sparse import check_is_sparse, entries
from embcheck.conformance.contract.call import SPARSE_OBSERVATIONS, Call, Observation

EARLIER_USES = (
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE,
)


def trainable(call: Call) -> bool:
    """Return whether the weight takes part in training; from_pretrained freezes by default."""
    return not (call.operation.is_pretrained and call.option("freeze"))


def differentiate(
    call: Call,
    before: np.ndarray,
    weight: np.ndarray,
    positions: Positions,
    mode: str,
    padding: int | None,
) -> dict[str, np.ndarray]:
    """Return the gradients of sum(output * grad_output), and the weight after a training step.

    The derivative leaves out the scaling to max_norm; `before` is the weight before that scaling.
    """
    if not trainable(call) and call.wants(Observation.GRAD_WEIGHT, *SPARSE_OBSERVATIONS):
        raise RuntimeError("the weight is frozen: it has no gradient")
    check_is_sparse(call, is_trainable=trainable(call))
    is_changed = call.option("max_norm") is not None
    if call.wants(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE) and is_changed:
        raise RuntimeError("max_norm changed the weight in place, after it was used")
    shape = (positions.bag_count, weight.shape[1])
    upstream = call.inputs.get("grad_output", np.ones(shape)).astype(np.float64).reshape(shape)
    shares = _shares(weight, positions, mode, upstream)
    if call.option("scale_grad_by_freq"):
        shares = shares / _frequencies(call, len(weight))[positions.rows, None]
    gradient = np.zeros(before.shape)
    np.add.at(gradient, positions.rows, shares)
    if padding is not None:
        gradient[padding] = 0
    answer = {"grad_weight": gradient.astype(weight.dtype)}
    answer["grad_weight_is_sparse"] = np.array(bool(call.option("sparse")))
    answer |= entries(positions.rows, shares.astype(weight.dtype), padding)
    if call.wants(*EARLIER_USES):
        # The earlier use is the sum of the squares of the weight, as it was before `max_norm`.
        with_earlier_use = (2 * before + gradient).astype(weight.dtype)
        answer |= dict.fromkeys(map(str, EARLIER_USES), with_earlier_use)
    for name, step in OPTIMISERS.items():
        if call.wants(name):
            # A frozen weight has no gradient, and a step leaves it as it is.
            arrived = gradient if trainable(call) else np.zeros_like(gradient)
            trained = step(weight.astype(np.float64), arrived)
            answer[name] = trained.astype(weight.dtype)
    if "per_sample_weights" in call.inputs:
        factors = call.inputs["per_sample_weights"]
        slopes = np.zeros(factors.size)
        rows = weight[positions.rows].astype(np.float64)
        # Places of the padding row are not among the positions: their slope stays 0.
        slopes[positions.places] = (rows * upstream[positions.bags]).sum(axis=1)
        answer["grad_per_sample_weights"] = slopes.reshape(factors.shape).astype(factors.dtype)
    return answer


def _shares(
    weight: np.ndarray, positions: Positions, mode: str, upstream: np.ndarray
) -> np.ndarray:
    """Return the part of its bag's upstream gradient that each position passes to its row."""
    shares = upstream[positions.bags] * positions.factors[:, None]
    if mode == "mean":
        return np.asarray(shares / positions.bag_sizes[positions.bags][:, None])
    if mode == "max":
        return np.where(_winners(weight, positions), shares, 0)
    return np.asarray(shares)


def _winners(weight: np.ndarray, positions: Positions) -> np.ndarray:
    """Mark, for each bag and column, the first position that holds the maximum."""
    rows = weight[positions.rows].astype(np.float64)
    winners = np.zeros(rows.shape, bool)
    _, starts, bags = np.unique(positions.bags, return_index=True, return_inverse=True)
    # Without positions or columns there are no winners.
    if not rows.size:
        return winners
    # A NaN is the maximum of its bag, although it does not equal itself.
    is_top = (rows == np.maximum.reduceat(rows, starts)[bags]) | np.isnan(rows)
    # All other places get a number behind the last row, which no minimum picks.
    places = np.where(is_top, np.arange(len(rows))[:, None], len(rows))
    first = np.minimum.reduceat(places, starts)
    winners[first, np.arange(weight.shape[1])] = True
    return winners


def _frequencies(call: Call, row_count: int) -> np.ndarray:
    """Count how often the indices name each row."""
    return np.bincount(call.inputs["indices"].reshape(-1), minlength=row_count)

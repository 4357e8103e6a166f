"""Scaling to max_norm, and the reduction of bags. Sums are computed in float64, rounded once."""

from __future__ import annotations

import numpy as np

from embcheck.backends.reference.definition.positions import Positions


def renormalise(weight: np.ndarray, indices: np.ndarray, max_norm: float, order: float) -> None:
    """Scale each named row with a norm above max_norm down to that norm, once and in place."""
    for row in np.unique(indices):
        norm = np.linalg.norm(weight[row].astype(np.float64), order)
        if norm > max_norm:
            weight[row] = weight[row].astype(np.float64) * (max_norm / norm)


def reduce(weight: np.ndarray, positions: Positions, mode: str) -> np.ndarray:
    """Reduce each bag; a bag without positions gives zeros."""
    # A lookup copies rows bit for bit, without arithmetic.
    if (positions.bag_sizes == 1).all() and (positions.factors == 1).all():
        return np.asarray(weight[positions.rows])
    rows = weight[positions.rows].astype(np.float64) * positions.factors[:, None]
    sizes = positions.bag_sizes[:, None]
    if mode == "max":
        output = np.full((positions.bag_count, weight.shape[1]), -np.inf)
        np.maximum.at(output, positions.bags, rows)
        return np.where(sizes == 0, 0, output).astype(weight.dtype)
    output = np.zeros((positions.bag_count, weight.shape[1]))
    np.add.at(output, positions.bags, rows)
    return (output / np.maximum(sizes, 1) if mode == "mean" else output).astype(weight.dtype)

"""How a gradient is stored: as (V, D), or by rows, as one entry for each position."""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call, Observation


def check_is_sparse(call: Call, *, is_trainable: bool) -> None:
    """Refuse to read entries of a dense gradient, and to give SparseAdam one."""
    if call.option("sparse"):
        return
    if call.wants(Observation.SPARSE_GRAD_ROWS, Observation.SPARSE_GRAD_VALUES):
        raise RuntimeError("a dense gradient has no entries")
    if call.wants(Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM) and is_trainable:
        raise RuntimeError("SparseAdam takes no dense gradient")


def entries(rows: np.ndarray, shares: np.ndarray, padding: int | None) -> dict[str, np.ndarray]:
    """Return an entry for each position, in reading order; padded ones are left out."""
    kept = slice(None) if padding is None else rows != padding
    return {
        Observation.SPARSE_GRAD_ROWS: rows[kept].astype(np.int64),
        Observation.SPARSE_GRAD_VALUES: shares[kept],
    }

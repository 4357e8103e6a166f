"""Sparse gradients: their entries, and the calls that must not ask for them."""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call, Observation


def check_is_sparse(call: Call, *, is_trainable: bool) -> None:
    """Raise RuntimeError if a call needs a sparse gradient and its gradient is dense.

    A dense gradient has no entries to read, and SparseAdam does not take it.
    """
    if call.option("sparse"):
        return
    if call.wants(Observation.SPARSE_GRAD_ROWS, Observation.SPARSE_GRAD_VALUES):
        raise RuntimeError("a dense gradient has no entries")
    if call.wants(Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM) and is_trainable:
        raise RuntimeError("SparseAdam takes no dense gradient")


def entries(rows: np.ndarray, shares: np.ndarray, padding: int | None) -> dict[str, np.ndarray]:
    """Return the rows and values of a sparse gradient, one entry for each position.

    The entries are in the order of the positions. Those of the padding row are left out.
    """
    kept = slice(None) if padding is None else rows != padding
    return {
        Observation.SPARSE_GRAD_ROWS: rows[kept].astype(np.int64),
        Observation.SPARSE_GRAD_VALUES: shares[kept],
    }

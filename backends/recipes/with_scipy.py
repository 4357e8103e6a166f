"""PyTorch's lookups and bags by SciPy's sparse arrays.

Without max_norm and scale_grad_by_freq. A bag is a row of a CSR array, whose product with the table
has the sums. No product has a maximum, and sums lose the sign of zero: NumPy does mode max and the
plain lookup. SciPy differentiates nothing: gradients have functions of their own.
"""

import numpy as np
from scipy.sparse import csr_array


def check_lookup(weight, indices, padding_idx=None):
    """Raise for a table, indices or a padding row that fit no lookup."""
    if weight.ndim != 2 or weight.dtype.kind not in "fV":  # V: bfloat16 of ml_dtypes
        raise TypeError("the table must have two dimensions of floating-point numbers")
    if indices.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if indices.size and (indices.min() < 0 or indices.max() >= len(weight)):
        raise IndexError(f"an index is outside of a table of {len(weight)} rows")
    if padding_idx is not None:
        range(len(weight))[padding_idx]  # raises unless it is a row


def check_bags(weight, indices, offsets, mode, per_sample_weights):
    """Raise for a mode, offsets or weights that fit no bags of these indices."""
    if mode not in ("sum", "mean", "max") or indices.ndim != (2 if offsets is None else 1):
        raise ValueError("mode is sum, mean or max; bags are rows of indices, or have offsets")
    if offsets is not None:
        bounds = np.concatenate([offsets, [indices.size]])  # raises unless in one dimension
        if bounds[0] != 0 or (np.diff(bounds) < 0).any() or offsets.dtype != indices.dtype:
            raise ValueError("offsets must rise from 0 within the indices, and have their dtype")
    if per_sample_weights is not None:
        given = (mode, per_sample_weights.shape, per_sample_weights.dtype)
        if given != ("sum", indices.shape, weight.dtype):
            raise ValueError("weights go with mode sum; an index has one, of the table's dtype")


def embedding(weight, indices, padding_idx=None, check=True):
    """Return the rows of a table; padding matters for gradients only."""
    if check:
        check_lookup(weight, indices, padding_idx)
    return weight[indices]


def embedding_bag(weight, indices, offsets=None, mode="mean", per_sample_weights=None,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    if check:
        check_lookup(weight, indices, padding_idx)
        check_bags(weight, indices, offsets, mode, per_sample_weights)
    bags, _ = bags_of(
        weight, indices, offsets, per_sample_weights, padding_idx, include_last_offset
    )
    sizes = np.diff(bags.indptr)
    if mode == "max":
        found, starts = np.zeros((len(sizes), weight.shape[1]), weight.dtype), bags.indptr[:-1]
        if sizes.any():  # reduceat gives a row for an empty bag, too
            rows = weight[bags.indices]
            found[sizes > 0] = np.maximum.reduceat(rows, starts[sizes > 0], axis=0)
        return found
    found = bags @ weight.astype(bags.dtype, copy=False)
    if mode == "mean":
        found /= np.maximum(sizes, 1)[:, None]
    return found.astype(weight.dtype, copy=False)


def bags_of(weight, indices, offsets, per_sample_weights, padding_idx, include_last_offset):
    """Return a CSR array that has a row for each bag, and the flat positions of its entries."""
    if offsets is None:
        offsets, include_last_offset = np.arange(len(indices) + 1) * indices.shape[1], True
    bounds = offsets if include_last_offset else np.append(offsets, len(indices))
    flat, kept = indices.reshape(-1), np.arange(bounds[-1])
    if padding_idx is not None:
        is_kept = flat[kept] != padding_idx % len(weight)
        kept, bounds = np.flatnonzero(is_kept), np.append(0, np.cumsum(is_kept))[bounds]
    factors = np.ones(len(kept), np.promote_types(weight.dtype, np.float32))
    if per_sample_weights is not None:
        factors *= per_sample_weights.reshape(-1)[kept]
    return csr_array((factors, flat[kept], bounds), shape=(len(bounds) - 1, len(weight))), kept

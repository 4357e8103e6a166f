"""PyTorch's lookups and bags in NumPy.

Without max_norm and scale_grad_by_freq. NumPy differentiates nothing, and counts an index below
zero from the end: gradients have functions of their own, and such an index is refused.
"""

import numpy as np


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
    kept, bounds = bags_of(weight, indices, offsets, padding_idx, include_last_offset)
    rows = weight[indices.reshape(-1)[kept]]
    rows = rows.astype(np.promote_types(weight.dtype, np.float32), copy=False)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1)[kept][:, None]
    found = reduce_bags(np.maximum if mode == "max" else np.add, rows, bounds)
    if mode == "mean":
        found /= np.maximum(np.diff(bounds), 1)[:, None]
    return found.astype(weight.dtype, copy=False)


def bags_of(weight, indices, offsets, padding_idx, include_last_offset):
    """Return the flat positions that lie in bags and are not padding, and bounds among them."""
    if offsets is None:
        bounds = np.arange(len(indices) + 1) * indices.shape[1]
    else:
        bounds = offsets if include_last_offset else np.append(offsets, len(indices))
    if padding_idx is None:
        return slice(bounds[-1]), bounds
    kept = indices.reshape(-1)[: bounds[-1]] != padding_idx % len(weight)
    return np.flatnonzero(kept), np.append(0, np.cumsum(kept))[bounds]


def reduce_bags(function, rows, bounds):
    """Reduce the rows between bounds by a ufunc; an empty bag is zeros."""
    found = np.zeros((len(bounds) - 1, rows.shape[1]), rows.dtype)
    is_full = bounds[1:] > bounds[:-1]
    if is_full.any():  # reduceat gives a row for an empty bag, too
        found[is_full] = function.reduceat(rows, bounds[:-1][is_full], axis=0)
    return found

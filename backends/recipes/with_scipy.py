"""PyTorch's lookups, bags and one-hot rows, by SciPy's sparse arrays.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document. A bag is a row of a
CSR array; that array times the table are the sums, and its transpose times a gradient of the output
is the table's. No product has a maximum, and sums lose the sign of zero: mode max and the plain
lookup are NumPy's. SciPy differentiates nothing, so that gradients have functions of their own.
Sparse arrays hold no halves, which are added in float32 here. There is no `max_norm`.
"""

import numpy as np
from scipy.sparse import csr_array


def check_lookup(weight, indices, padding_idx=None):
    """Raise for a table, indices or a padding row that fit no lookup."""
    if weight.ndim != 2 or (weight.dtype.kind != "f" and weight.dtype.name != "bfloat16"):
        raise TypeError("the table has not two dimensions of floating-point numbers")
    rows = len(weight)
    if indices.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if indices.size and (indices.min() < 0 or indices.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding and frequencies matter for gradients only."""
    if check:
        check_lookup(weight, indices, padding_idx)
    return weight[indices]


def embedding_bag(
    weight, indices, offsets=None, mode="mean", per_sample_weights=None, padding_idx=None,
    include_last_offset=False, scale_grad_by_freq=False, check=True,
):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    if check:
        check_lookup(weight, indices, padding_idx)
        check_bags(weight, indices, mode, per_sample_weights, scale_grad_by_freq)
    bounds = bag_bounds(indices, offsets, include_last_offset, check)
    bags, _ = bags_of(weight, indices, bounds, per_sample_weights, padding_idx)
    if mode == "max":
        return reduce_bags(np.maximum, weight[bags.indices], bags.indptr)
    found = bags @ weight.astype(bags.dtype, copy=False)
    if mode == "mean":
        found /= np.maximum(np.diff(bags.indptr), 1)[:, None]
    return found.astype(weight.dtype, copy=False)


def check_bags(weight, indices, mode, per_sample_weights, scale_grad_by_freq):
    """Raise for a mode, or weights, that fit no bags."""
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError(f"mode {mode!r} is unknown, or does not scale gradients")
    if per_sample_weights is not None:
        if mode != "sum" or per_sample_weights.shape != indices.shape:
            raise ValueError("weights go with mode sum, one for each index")
        if per_sample_weights.dtype != weight.dtype:
            raise TypeError("the weights' dtype is not the table's")


def bag_bounds(indices, offsets, include_last_offset, check=True):
    """Return where bags begin, and where the last one ends; raises for impossible offsets."""
    if check and indices.ndim != (2 if offsets is None else 1):
        raise ValueError("bags are rows of indices without offsets, or lie between offsets")
    if offsets is None:
        return np.arange(len(indices) + 1) * indices.shape[1]
    if check and (offsets.ndim != 1 or offsets.dtype != indices.dtype):
        raise ValueError("offsets have one dimension, and the dtype of the indices")
    bounds = offsets if include_last_offset else np.append(offsets, len(indices))
    if check and (not len(bounds) or bounds[0] != 0 or bounds[-1] > len(indices)):
        raise ValueError("offsets do not begin with 0, or leave the indices")
    if check and (np.diff(bounds) < 0).any():
        raise ValueError("offsets decrease")
    return bounds


def bags_of(weight, indices, bounds, per_sample_weights, padding_idx):
    """Return a CSR array that has a row for each bag, and the flat positions of its entries."""
    flat, kept = indices.reshape(-1), np.arange(bounds[-1])
    if padding_idx is not None:
        is_kept = flat[kept] != padding_idx % len(weight)
        kept, bounds = np.flatnonzero(is_kept), np.append(0, np.cumsum(is_kept))[bounds]
    factors = np.ones(len(kept), np.promote_types(weight.dtype, np.float32))
    if per_sample_weights is not None:
        factors *= per_sample_weights.reshape(-1)[kept]
    return csr_array((factors, flat[kept], bounds), shape=(len(bounds) - 1, len(weight))), kept


def reduce_bags(function, rows, bounds):
    """Reduce the rows between bounds by a ufunc; an empty bag is zeros."""
    found = np.zeros((len(bounds) - 1, rows.shape[1]), rows.dtype)
    is_full = bounds[1:] > bounds[:-1]
    if is_full.any():  # reduceat gives a row for an empty bag, too
        found[is_full] = function.reduceat(rows, bounds[:-1][is_full], axis=0)
    return found

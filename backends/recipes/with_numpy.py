"""PyTorch's lookups, bags and one-hot rows, in NumPy alone.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document. NumPy differentiates
nothing: `embedding_gradient` and `embedding_bag_gradient` take the gradient of the output, and then
what the lookup took. It has no sparse arrays either, so that gradients are as large as the table.
`max_norm` shortens rows in the table itself.
"""

import numpy as np


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


def shorten(weight, indices, max_norm, norm_type):
    """Scale rows that are longer than max_norm down to it, in the table."""
    if not (max_norm >= 0 and norm_type > 0):
        raise ValueError("max_norm is negative, or norm_type not positive")
    named = np.unique(indices)
    rows = weight[named].astype(np.float64)
    norms = np.linalg.norm(rows, norm_type, axis=1)[:, None]
    is_long = norms[:, 0] > max_norm
    weight[named[is_long]] = rows[is_long] * (max_norm / norms[is_long])


def embedding(
    weight, indices, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
    check=True,
):  # fmt: skip
    """Return the rows of a table; padding and frequencies matter for gradients only."""
    if check:
        check_lookup(weight, indices, padding_idx)
    if max_norm is not None:
        shorten(weight, indices, max_norm, norm_type)
    return weight[indices]


def embedding_bag(
    weight, indices, offsets=None, mode="mean", per_sample_weights=None, padding_idx=None,
    include_last_offset=False, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, check=True,
):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    if check:
        check_lookup(weight, indices, padding_idx)
        check_bags(weight, indices, mode, per_sample_weights, scale_grad_by_freq)
    if max_norm is not None:
        shorten(weight, indices, max_norm, norm_type)
    bounds = bag_bounds(indices, offsets, include_last_offset, check)
    kept, bounds = without_padding(weight, indices, bounds, padding_idx)
    wide = np.promote_types(weight.dtype, np.float32)  # halves lose what is added
    rows = weight[indices.reshape(-1)[kept]].astype(wide, copy=False)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1)[kept][:, None]
    found = reduce_bags(np.maximum if mode == "max" else np.add, rows, bounds)
    if mode == "mean":
        found /= np.maximum(np.diff(bounds), 1)[:, None]
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


def without_padding(weight, indices, bounds, padding_idx):
    """Return which flat positions lie in bags and are not padding, and the bounds among them."""
    if padding_idx is None:
        return slice(0, bounds[-1]), bounds
    kept = indices.reshape(-1)[: bounds[-1]] != padding_idx % len(weight)
    return np.flatnonzero(kept), np.append(0, np.cumsum(kept))[bounds]


def reduce_bags(function, rows, bounds):
    """Reduce the rows between bounds by a ufunc; an empty bag is zeros."""
    found = np.zeros((len(bounds) - 1, rows.shape[1]), rows.dtype)
    is_full = bounds[1:] > bounds[:-1]
    if is_full.any():  # reduceat gives a row for an empty bag, too
        found[is_full] = function.reduceat(rows, bounds[:-1][is_full], axis=0)
    return found


def add_to_rows(shares, named, weight, indices, padding_idx, scale_grad_by_freq):
    """Add what each position passes on to the row that it names; padding gets nothing."""
    shares = shares.astype(np.promote_types(weight.dtype, np.float32), copy=False)
    if scale_grad_by_freq:
        shares = shares / np.bincount(indices.reshape(-1))[named][:, None]
    order = np.argsort(named, kind="stable")
    bounds = np.searchsorted(named[order], np.arange(len(weight) + 1))
    total = reduce_bags(np.add, shares[order], bounds)
    if padding_idx is not None:
        total[padding_idx] = 0
    return total.astype(weight.dtype, copy=False)

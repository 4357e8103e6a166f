"""PyTorch's lookups and bags in MLX.

Without max_norm and scale_grad_by_freq. MLX looks at no index, and reads beyond the table: NumPy
checks indices and offsets. It cannot in mx.compile: pass check=False, and `check_ids` what goes in.
"""

import mlx.core as mx
import numpy as np


def check_ids(indices, rows, offsets=None):
    """Raise for indices that name no row, and for offsets that bound no bags."""
    indices = np.asarray(indices)
    if indices.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if indices.size and (indices.min() < 0 or indices.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")
    if offsets is not None:
        bounds, dtype = np.append(offsets, indices.size), np.asarray(offsets).dtype
        if bounds[0] != 0 or (np.diff(bounds) < 0).any() or dtype != indices.dtype:
            raise ValueError("offsets must rise from 0 within the indices, and have their dtype")


take_rows = mx.custom_function(lambda weight, ids, _: mx.take(weight, ids, axis=0))


@take_rows.vjp
def _add_up(known, grad, _):
    weight, ids, is_padding = known  # gradients are added up in float32, for halves lose digits
    total = mx.zeros(weight.shape, mx.result_type(weight.dtype, mx.float32))
    if weight.size:  # MLX dies of a table without columns
        total = total.at[ids].add(mx.where(is_padding[..., None], 0, grad))
    return total.astype(weight.dtype), mx.zeros_like(ids), mx.zeros_like(is_padding)


def embedding(weight, indices, padding_idx=None, check=True):
    """Return the rows of a table; padding has no gradient."""
    if weight.ndim != 2 or not mx.issubdtype(weight.dtype, mx.floating):
        raise TypeError("the table must have two dimensions of floating-point numbers")
    padding = -1 if padding_idx is None else range(len(weight))[padding_idx]  # raises for no row
    if check:
        check_ids(indices, len(weight))
    indices = mx.array(indices + 0)  # MLX takes none that lie backwards
    return take_rows(weight, indices, indices == padding)


def embedding_bag(weight, indices, offsets=None, mode="mean", per_sample_weights=None,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    if mode not in ("sum", "mean", "max") or indices.ndim != (2 if offsets is None else 1):
        raise ValueError("mode is sum, mean or max; bags are rows of indices, or have offsets")
    if check:
        check_ids(indices, len(weight), offsets)
    flat, wide = mx.array(indices.reshape(-1) + 0), mx.result_type(weight.dtype, mx.float32)
    rows = embedding(weight, flat, padding_idx, check=False)
    if per_sample_weights is not None:
        given = (mode, per_sample_weights.shape, per_sample_weights.dtype)
        if given != ("sum", indices.shape, weight.dtype):
            raise ValueError("weights go with mode sum; an index has one, of the table's dtype")
        rows = rows.astype(wide) * per_sample_weights.reshape(-1, 1)
    if offsets is None:
        offsets, include_last_offset = np.arange(len(indices) + 1) * indices.shape[1], True
    number, places = len(offsets) - bool(include_last_offset), mx.arange(len(rows))
    if not weight.size:
        return mx.zeros((number, weight.shape[1]), weight.dtype)
    bags = mx.searchsorted(mx.array(offsets + 0), places, side="right") - 1
    if padding_idx is not None:  # belongs to no bag
        bags = mx.where(flat == padding_idx % len(weight), number, bags)
    found = mx.zeros((number + 1, weight.shape[1]), wide)
    if mode == "max":  # the first of several has the gradient
        most = (found - mx.inf).at[bags].maximum(rows)[bags]
        tops = mx.where(rows == most, places[:, None], len(rows))
        tops = mx.where(mx.isnan(rows), places[:, None] - len(rows) - 1, tops)  # before others
        first = mx.full(found.shape, len(rows)).at[bags].minimum(mx.stop_gradient(tops))[:-1]
        return mx.take_along_axis(mx.concatenate([rows, found[:1]]), first, 0).astype(weight.dtype)
    sums = found.at[bags].add(rows)[:-1]
    if mode == "mean":
        sums /= mx.maximum(mx.zeros(number + 1, mx.int32).at[bags].add(1)[:-1, None], 1)
    return sums.astype(weight.dtype)

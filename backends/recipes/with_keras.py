"""PyTorch's lookups and bags in Keras 3 alone, on any of its backends.

There is no max_norm and no scale_grad_by_freq. Give indices in NumPy, to be checked before JAX
narrows them; where they are traced, in jit or a model, say `check=False`. A table of halves is cast
as a whole. PyTorch adds up bags of float64 in float32; NumPy and OpenVINO have no gradients.
"""

import numpy as np
from keras import ops


def check_call(weight, indices, padding_idx, offsets=None, mode="sum", weights=None, last=False):
    """Raise for what PyTorch refuses."""
    rows, dtype, ids = weight.shape[0], ops.dtype(weight), ops.convert_to_numpy(indices)
    if len(weight.shape) != 2 or "float" not in dtype:
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if ops.dtype(indices) not in ("int32", "int64"):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if ((ids < 0) | (ids >= rows)).any():
        raise IndexError(f"an index is outside of a table of {rows} rows")
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if mode not in ("sum", "mean", "max") or (weights is not None and mode != "sum"):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    if weights is not None and (weights.shape, ops.dtype(weights)) != (ids.shape, dtype):
        raise ValueError("weights are not one for each index, in the table's dtype")
    if offsets is not None:
        if ids.ndim != 1 or len(offsets.shape) != 1 or offsets.dtype != indices.dtype:
            raise ValueError("indices and offsets are not of one dimension, and of one dtype")
        bounds = np.append(ops.convert_to_numpy(offsets), ids.size)
        if bounds[0] != 0 or len(offsets) < last or (bounds[1:] < bounds[:-1]).any():
            raise ValueError("offsets do not begin with 0, decrease, or leave the indices")


def widened(array):
    """Return halves in float32: they lose what is added."""
    return ops.cast(array, "float32") if "float16" in ops.dtype(array) else array


def embedding(weight, indices, padding_idx=None, check=True):
    """Return the rows of a table; padding has no gradient."""
    if check:
        check_call(weight, indices, padding_idx)
    rows = ops.take(widened(weight), indices, axis=0)
    if padding_idx is not None:
        is_padding = ops.expand_dims(indices == padding_idx % weight.shape[0], -1)
        rows = ops.where(is_padding, ops.stop_gradient(rows), rows)
    return ops.cast(rows, weight.dtype)


def embedding_bag(weight, indices, offsets=None, mode="mean", per_sample_weights=None,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    weights, last = per_sample_weights, include_last_offset
    if check:
        check_call(weight, indices, padding_idx, offsets, mode, weights, last)
    if offsets is None:
        count, each = ops.shape(indices)
        offsets, last = ops.arange(count) * each, False
    flat, offsets = ops.reshape(indices, [-1]), ops.convert_to_tensor(offsets)
    size, end = ops.shape(offsets)[0] - last, ops.shape(flat)[0]
    bags = ops.searchsorted(offsets, ops.arange(end, dtype=offsets.dtype), side="right") - 1
    if padding_idx is not None:  # is in one more bag, as what is behind the end, and dropped
        bags = ops.where(flat == padding_idx % weight.shape[0], size, bags)
    rows = embedding(widened(weight), flat, check=False)
    if weights is not None:
        kept = ops.expand_dims(bags < size, 1)
        rows = ops.where(kept, rows, 0) * ops.where(kept, ops.reshape(widened(weights), (-1, 1)), 0)
    if mode == "max":  # keeps the last of equal maxima; NaN is greater than all numbers
        known, at = ops.stop_gradient(rows), ops.expand_dims(ops.arange(end), 1)
        most = ops.take(ops.segment_max(known, bags, size + 1), bags, axis=0)
        rank = ops.where(ops.isnan(known), at + 2 * end, ops.where(known >= most, at + end, at))
        greatest = ops.take(ops.segment_max(rank, bags, size + 1), bags, axis=0)
        rows = ops.where(rank == greatest, rows, 0)
    sums = ops.segment_sum(rows, bags, size + 1)[:size]
    if mode == "mean":
        counts = ops.segment_sum(ops.ones_like(rows[:, :1]), bags, size + 1)[:size]
        sums = sums / ops.maximum(counts, 1)
    return ops.cast(sums, weight.dtype)

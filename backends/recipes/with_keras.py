"""PyTorch's lookups, bags and one-hot rows, in Keras 3 alone.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document, with each of Keras's
backends. What is given is checked as NumPy arrays, before JAX narrows it to 32 bits: where it is
traced, in jit, tf.function or a model, say `check=False` and check before. There is no `max_norm`.
With PyTorch, Keras adds up bags of float64 in float32; with NumPy and OpenVINO it has no gradients.
"""

import numpy as np
from keras import ops
from keras.backend import standardize_dtype


def check_table(weight, indices, padding_idx, check):
    """Raise for what is no table, no index, or no padding; for what names no row if told to."""
    if len(weight.shape) != 2 or "float" not in standardize_dtype(weight.dtype):
        raise TypeError("the table has not two dimensions of floating-point numbers")
    rows = weight.shape[0]
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if standardize_dtype(indices.dtype) not in ("int32", "int64"):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    given = ops.convert_to_numpy(indices) if check else np.empty(0)
    if given.size and (given.min() < 0 or given.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding has no gradient."""
    check_table(weight, indices, padding_idx, check)
    indices = ops.convert_to_tensor(indices)
    rows = wide_rows(weight, indices, scale_grad_by_freq)
    if padding_idx is not None:
        is_padding = ops.expand_dims(ops.equal(indices, padding_idx % weight.shape[0]), -1)
        rows = ops.where(is_padding, ops.stop_gradient(rows), rows)
    return ops.cast(rows, weight.dtype)


def wide_rows(weight, indices, scale_grad_by_freq):
    """Return rows in what they, and their gradients, are added up in: halves lose what is added."""
    dtype, (count, columns) = standardize_dtype(weight.dtype), weight.shape
    if dtype in ("float32", "float64") and not scale_grad_by_freq:
        return ops.take(weight, indices, axis=0)
    wide, flat = "float64" if dtype == "float64" else "float32", ops.reshape(indices, [-1])

    @ops.custom_gradient
    def take(weight):
        def gradient(*grad, upstream=None):  # PyTorch's is `upstream`
            grad = grad[0] if upstream is None else upstream
            grad = ops.reshape(grad, (ops.shape(flat)[0], columns))
            total = ops.segment_sum(grad, flat, num_segments=count)
            if scale_grad_by_freq:
                named = ops.segment_sum(ops.ones_like(flat, wide), flat, num_segments=count)
                total = ops.divide(total, ops.expand_dims(ops.maximum(named, 1), 1))
            return ops.cast(total, dtype)

        return ops.cast(ops.take(weight, indices, axis=0), wide), gradient

    return take(weight)


def embedding_bag(
    weight,
    indices,
    offsets=None,
    mode="mean",
    per_sample_weights=None,
    padding_idx=None,
    include_last_offset=False,
    scale_grad_by_freq=False,
    check=True,
):
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    check_table(weight, indices, padding_idx, check)
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError(f"mode {mode!r} is unknown, or does not scale gradients")
    bags, size = bag_of_each(indices, offsets, include_last_offset, check)
    flat = ops.reshape(ops.convert_to_tensor(indices), [-1])
    rows = wide_rows(weight, flat, scale_grad_by_freq)
    factors = ops.ones_like(flat, rows.dtype)
    if per_sample_weights is not None:
        if mode != "sum" or tuple(per_sample_weights.shape) != tuple(indices.shape):
            raise ValueError("weights go with mode sum, one for each index")
        if standardize_dtype(per_sample_weights.dtype) != standardize_dtype(weight.dtype):
            raise TypeError("the weights' dtype is not the table's")
        factors = ops.cast(ops.reshape(per_sample_weights, [-1]), rows.dtype)
    kept = ops.ones_like(flat, "bool")
    if padding_idx is not None:
        kept = ops.not_equal(flat, padding_idx % weight.shape[0])
    kept, factors = ops.expand_dims(kept, 1), ops.expand_dims(factors, 1)
    if mode == "max":
        rows = ops.where(is_maximum(ops.stop_gradient(rows), kept, bags, size), rows, 0)
    # What lies behind the last offset falls into one more bag, which is dropped.
    factors = ops.where(kept, factors, 0)
    rows = ops.multiply(ops.where(kept, rows, 0), factors)
    total = ops.segment_sum(rows, bags, num_segments=size + 1)[:size]
    if mode == "mean":
        counts = ops.segment_sum(factors, bags, num_segments=size + 1)[:size]
        total = ops.divide(total, ops.maximum(counts, 1))
    return ops.cast(total, weight.dtype)


def bag_of_each(indices, offsets, include_last_offset, check):
    """Return the number of each index's bag, and the number of bags."""
    if len(indices.shape) != (2 if offsets is None else 1):
        raise ValueError("bags are rows of indices without offsets, or lie between offsets")
    if offsets is None:
        size, each = ops.shape(indices)
        return ops.repeat(ops.arange(size), each), size
    if len(offsets.shape) != 1 or offsets.dtype != indices.dtype:
        raise ValueError("offsets have one dimension, and the dtype of the indices")
    end = ops.shape(indices)[0]
    if check:
        given = ops.convert_to_numpy(offsets)
        given = given if include_last_offset else np.append(given, end)
        if not given.size or given[0] != 0 or given[-1] > end or (given[1:] < given[:-1]).any():
            raise ValueError("offsets do not begin with 0, decrease, or leave the indices")
    bounds = offsets = ops.convert_to_tensor(offsets)
    if not include_last_offset:
        bounds = ops.append(offsets, ops.cast(end, offsets.dtype))
    places = ops.arange(end, dtype=standardize_dtype(bounds.dtype))
    bags = ops.cast(ops.searchsorted(bounds, places, side="right"), "int32")
    return ops.subtract(bags, 1), ops.shape(bounds)[0] - 1


def is_maximum(rows, kept, bags, size):
    """Mark the first maximum of each bag in each column; NaN is greater than all numbers."""
    rows, end = ops.where(kept, rows, -float("inf")), ops.shape(rows)[0]
    most = ops.take(ops.segment_max(rows, bags, num_segments=size + 1), bags, axis=0)
    places = ops.expand_dims(ops.arange(end), 1)
    order = ops.where(ops.equal(rows, most), places, ops.add(places, end))
    order = ops.where(ops.isnan(rows), ops.subtract(places, end), order)
    order = ops.where(kept, order, 2 * end)
    first = ops.take(ops.segment_min(order, bags, num_segments=size + 1), bags, axis=0)
    return ops.equal(order, first)

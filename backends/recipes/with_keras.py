"""What torch.nn.functional.embedding, embedding_bag and one_hot document, in Keras 3 alone.

It works with each of Keras's backends. What is given is looked at as NumPy arrays, before JAX may
narrow it to 32 bits: within jit, tf.function or a model's call give `check=False`, and check before.
There is no `max_norm`. With PyTorch, Keras adds up bags of float64 in float32; NumPy and OpenVINO
have no gradients.
"""

import numpy as np
from keras import ops
from keras.backend import standardize_dtype


def check_indices(indices, rows):
    """Raise where an index names no row."""
    given = ops.convert_to_numpy(indices)
    if given.size and (given.min() < 0 or given.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")


def take_rows(weight, indices, padding_idx, scale_grad_by_freq):
    """Return rows in what they are added up in: halves lose what is added to them."""
    dtype, (rows, columns) = standardize_dtype(weight.dtype), weight.shape
    flat = ops.reshape(ops.convert_to_tensor(indices), [-1])
    found = ops.take(weight, flat, axis=0)
    if dtype in ("float16", "bfloat16"):

        @ops.custom_gradient
        def take(weight):
            def gradient(*grad, upstream=None):
                grad = grad[0] if upstream is None else upstream
                return ops.cast(ops.segment_sum(grad, flat, num_segments=rows), dtype)

            return ops.cast(ops.take(weight, flat, axis=0), "float32"), gradient

        found = take(weight)
    if scale_grad_by_freq:
        counts = ops.segment_sum(ops.ones_like(flat, "float32"), flat, num_segments=rows)
        counts = ops.expand_dims(ops.take(counts, flat, axis=0), 1)

        @ops.custom_gradient
        def scale(found):
            def gradient(*grad, upstream=None):
                grad = grad[0] if upstream is None else upstream
                return ops.divide(grad, ops.cast(counts, grad.dtype))

            return found, gradient

        found = scale(found)
    if padding_idx is not None:
        is_padding = ops.expand_dims(ops.equal(flat, padding_idx % rows), 1)
        found = ops.where(is_padding, ops.stop_gradient(found), found)
    return found


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding has no gradient."""
    check_table(weight, indices, padding_idx, check)
    rows = take_rows(weight, indices, padding_idx, scale_grad_by_freq)
    return ops.reshape(ops.cast(rows, weight.dtype), (*ops.shape(indices), weight.shape[1]))


def check_table(weight, indices, padding_idx, check):
    """Raise for what is no table, no indices or no padding; look at values if told to `check`."""
    if len(weight.shape) != 2 or not standardize_dtype(weight.dtype).startswith(("float", "bf")):
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if (dtype := standardize_dtype(indices.dtype)) not in ("int32", "int64"):
        raise TypeError(f"indices are {dtype}, not int32 or int64")
    rows = weight.shape[0]
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if check:
        check_indices(indices, rows)


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
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError(f"mode {mode!r} is unknown, or does not scale gradients")
    check_table(weight, indices, padding_idx, check)
    bags, size = bag_of_each(indices, offsets, include_last_offset, check)
    rows = take_rows(weight, indices, padding_idx, scale_grad_by_freq)
    kept = ops.expand_dims(ops.ones_like(bags, "bool"), 1)
    if padding_idx is not None:
        flat = ops.reshape(ops.convert_to_tensor(indices), [-1, 1])
        kept = ops.not_equal(flat, padding_idx % weight.shape[0])
        rows = ops.where(kept, rows, ops.zeros_like(rows))
    if per_sample_weights is not None:
        if mode != "sum" or tuple(per_sample_weights.shape) != tuple(indices.shape):
            raise ValueError("weights go with mode sum, one for each index")
        if standardize_dtype(per_sample_weights.dtype) != standardize_dtype(weight.dtype):
            raise TypeError("the weights' dtype is not the table's")
        factors = ops.cast(ops.reshape(per_sample_weights, [-1, 1]), rows.dtype)
        rows = ops.multiply(rows, ops.where(kept, factors, ops.zeros_like(factors)))
    if mode == "max":
        chosen = first_of_greatest(ops.stop_gradient(rows), kept, bags, size)
        rows = ops.where(chosen, rows, ops.zeros_like(rows))
    # What lies behind the last offset falls into one more bag, which is dropped.
    total = ops.segment_sum(rows, bags, num_segments=size + 1)[:size]
    if mode == "mean":
        counts = ops.segment_sum(ops.cast(kept, rows.dtype), bags, num_segments=size + 1)[:size]
        total = ops.divide(total, ops.maximum(counts, ops.ones_like(counts)))
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


def first_of_greatest(rows, kept, bags, size):
    """Mark the first maximum of each bag in each column: NaN, else a number, else -infinity."""
    is_number = ops.greater(rows, -float("inf"))  # which NaN is not either
    kinds = ops.where(ops.isnan(rows), 2, ops.cast(is_number, "int32"))
    end = ops.shape(bags)[0]
    places = ops.broadcast_to(ops.expand_dims(ops.arange(end, 0, -1), 1), ops.shape(rows))
    # Kinds come first, for a backend's maximum of segments may begin with a finite number.
    for score, least in ((kinds, -1), (ops.where(is_number, rows, 0), -float("inf")), (places, -1)):
        most = ops.segment_max(ops.where(kept, score, least), bags, num_segments=size + 1)
        kept = ops.logical_and(kept, ops.equal(score, ops.take(most, bags, axis=0)))
    return kept


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    if (dtype := standardize_dtype(indices.dtype)) != "int64":
        raise TypeError(f"class values are {dtype}, not int64")
    given = ops.convert_to_numpy(indices)
    if num_classes == -1 and given.size:
        num_classes = int(given.max()) + 1
    if type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    check_indices(given, num_classes)
    return ops.one_hot(ops.convert_to_tensor(indices), num_classes, dtype="int64")

"""PyTorch's lookups and bags, in TensorFlow alone.

They work eagerly, in tf.function, which refuses bad values as it runs, and in XLA, which cannot. A
table's gradient is `tf.IndexedSlices`. There is no `max_norm`, and no `scale_grad_by_freq`.
"""

import tensorflow as tf


def check_call(weight, indices, padding_idx, offsets=None, mode="sum", weights=None, last=False):
    """Raise for what PyTorch refuses; for values in tf.function, as it runs."""
    rows, like = weight.shape[0], tf.TensorSpec(indices.shape, weight.dtype)
    if weight.shape.rank != 2 or not weight.dtype.is_floating:
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if indices.dtype not in (tf.int32, tf.int64):
        raise TypeError(f"indices are {indices.dtype.name}, not int32 or int64")
    tf.Assert(tf.reduce_all((indices >= 0) & (indices < rows)), ["an index names no row"])
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode is {mode!r}, not sum, mean or max")
    if weights is not None and not (mode == "sum" and like.is_compatible_with(weights)):
        raise ValueError("weights go with mode sum, one for each index, in the table's dtype")
    if offsets is not None:
        if (indices.shape.rank, indices.dtype) != (1, offsets.dtype):
            raise ValueError("indices and offsets are not of one dimension, and of one dtype")
        bounds = tf.concat([offsets, [tf.size(indices, indices.dtype)]], 0)
        fit = (bounds[0] == 0) & tf.reduce_all(bounds[1:] >= bounds[:-1])
        tf.Assert(fit & (tf.size(offsets) >= int(last)), ["offsets decrease, or are out of bounds"])


def take_rows(weight, indices):
    """Return rows, in float32 if they are halves, which lose what is added."""
    if weight.dtype in (tf.float32, tf.float64):
        return tf.gather(weight, indices)
    rows, places = tf.unique(tf.reshape(indices, [-1]))
    once = tf.cast(tf.gather(weight, rows), tf.float32)
    # Along axis 0, the gradient would be added up later, in the table's dtype.
    return tf.gather(once, tf.reshape(places, tf.shape(indices)), axis=-2)


def embedding(weight, indices, padding_idx=None, check=True):
    """Return the rows of a table; padding has no gradient. Without `check` a GPU gives zeros."""
    if check:
        check_call(weight, indices, padding_idx)
    rows = take_rows(weight, indices)
    if padding_idx is not None:
        is_padding = (indices == padding_idx % weight.shape[0])[..., None]
        rows = tf.where(is_padding, tf.stop_gradient(rows), rows)
    return tf.cast(rows, weight.dtype)


def embedding_bag(weight, indices, offsets=None, mode="mean", per_sample_weights=None,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    weights, last = per_sample_weights, include_last_offset
    if check:
        check_call(weight, indices, padding_idx, offsets, mode, weights, last)
    if offsets is None:
        count, each = tf.unstack(tf.shape(indices))
        offsets, last = tf.range(count) * each, False
    flat, end, size = tf.reshape(indices, [-1]), tf.size(indices), tf.size(offsets) + 1 - int(last)
    bags = tf.searchsorted(offsets, tf.range(end, dtype=offsets.dtype), side="right") - 1
    if padding_idx is not None:  # is in one more bag, as what is behind the end, and dropped
        bags = tf.where(flat == padding_idx % weight.shape[0], size - 1, bags)
    rows = take_rows(weight, flat)
    if weights is not None:
        kept, factors = bags[:, None] < size - 1, tf.cast(tf.reshape(weights, [-1, 1]), rows.dtype)
        rows = tf.where(kept, rows, 0) * tf.where(kept, factors, 0)
    if mode == "max":  # keeps the last of equal maxima; NaN is greater than all numbers
        known, at = tf.stop_gradient(rows), tf.range(end)[:, None]
        most = tf.gather(tf.math.unsorted_segment_max(known, bags, size), bags)
        rank = tf.where(tf.math.is_nan(known), at + 2 * end, tf.where(known >= most, at + end, at))
        greatest = tf.gather(tf.math.unsorted_segment_max(rank, bags, size), bags)
        rows = tf.where(rank == greatest, rows, 0)
    sums = tf.math.unsorted_segment_sum(rows, bags, size)[:-1]
    if mode == "mean":
        sums /= tf.maximum(tf.math.bincount(bags, minlength=size, dtype=rows.dtype), 1)[:-1, None]
    return tf.cast(sums, weight.dtype)

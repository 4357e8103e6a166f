"""PyTorch's lookups, bags and one-hot rows, in TensorFlow alone.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document, eagerly and in
tf.function, where bad values are refused as it runs. XLA compiles lookups without these checks, but
no bags, and no gradients of halves or with `scale_grad_by_freq`. A table's gradient is
`tf.IndexedSlices`, as that of tf.gather. There is no `max_norm`.
"""

import tensorflow as tf


def check_table(weight, padding_idx):
    """Raise for what is no table, and for padding that is none of its rows."""
    if weight.shape.rank != 2 or not weight.dtype.is_floating:
        raise TypeError("the table has not two dimensions of floating-point numbers")
    rows = weight.shape[0]
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding has no gradient. Without `check` a GPU gives zeros."""
    check_table(weight, padding_idx)
    rows = wide_rows(weight, indices, padding_idx, scale_grad_by_freq, check)
    shape = tf.concat([tf.shape(indices), weight.shape[1:]], 0)
    return tf.cast(tf.reshape(rows, shape), weight.dtype)


def wide_rows(weight, indices, padding_idx, scale_grad_by_freq, check):
    """Return rows in what they, and their gradients, are added up in: halves lose what is added."""
    indices, count = tf.reshape(indices, [-1]), weight.shape[0]
    if indices.dtype not in (tf.int32, tf.int64):
        raise TypeError(f"indices are {indices.dtype.name}, not int32 or int64")
    if check:
        inside = (tf.reduce_min(indices) >= 0) & (tf.reduce_max(indices) < count)
        tf.debugging.assert_equal(inside, True, f"an index is outside of a table of {count} rows")

    @tf.custom_gradient
    def widen(rows):
        def gradient(grad):
            if scale_grad_by_freq or grad.dtype != rows.dtype:
                named, names, counts = tf.unique_with_counts(indices)
                total = tf.math.unsorted_segment_sum(grad, names, tf.size(named))
                if scale_grad_by_freq:
                    total /= tf.cast(counts, total.dtype)[:, None]
                # The first place that names a row has all of its gradient, the others have zeros.
                places = tf.range(tf.size(indices))
                firsts = tf.math.unsorted_segment_min(places, names, tf.size(named))
                grad = tf.math.unsorted_segment_sum(total, firsts, tf.size(indices))
            if padding_idx is not None:
                grad = tf.where((indices != padding_idx % count)[:, None], grad, 0)
            return tf.cast(grad, rows.dtype)

        return tf.cast(rows, tf.float64 if rows.dtype == tf.float64 else tf.float32), gradient

    return widen(tf.gather(weight, indices))


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
    check_table(weight, padding_idx)
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError(f"mode {mode!r} is unknown, or does not scale gradients")
    indices = tf.convert_to_tensor(indices)
    bags, size = bag_of_each(indices, offsets, include_last_offset, check)
    factors = tf.ones_like(indices, weight.dtype)
    if per_sample_weights is not None:
        factors = tf.convert_to_tensor(per_sample_weights)
        fit = factors.shape.is_compatible_with(indices.shape) and factors.dtype == weight.dtype
        if mode != "sum" or not fit:
            raise ValueError("weights go with mode sum, one for each index, in the table's dtype")
    indices, factors = tf.reshape(indices, [-1]), tf.reshape(factors, [-1])
    if padding_idx is not None:
        kept = indices != padding_idx % weight.shape[0]
        indices, factors, bags = indices[kept], factors[kept], bags[kept]
    rows = wide_rows(weight, indices, None, scale_grad_by_freq, check)
    factors = tf.cast(factors, rows.dtype)[:, None]
    rows = rows if per_sample_weights is None else rows * factors
    if mode == "max":
        rows = tf.where(is_maximum(tf.stop_gradient(rows), bags), rows, 0)
    total = sums(rows, bags, size)
    if mode == "mean":
        total /= tf.maximum(sums(factors, bags, size), 1)
    return tf.cast(total, weight.dtype)


def bag_of_each(indices, offsets, include_last_offset, check):
    """Return the number of each index's bag, and the number of bags."""
    if indices.shape.rank != (2 if offsets is None else 1):
        raise ValueError("bags are rows of indices without offsets, or lie between offsets")
    if offsets is None:
        size, each = tf.unstack(tf.shape(indices))
        return tf.repeat(tf.range(size), each), size
    offsets, end = tf.convert_to_tensor(offsets), tf.size(indices, indices.dtype)
    if offsets.shape.rank != 1 or offsets.dtype != indices.dtype:
        raise ValueError("offsets have one dimension, and the dtype of the indices")
    bounds = offsets if include_last_offset else tf.concat([offsets, [end]], 0)
    if check:
        fit = tf.reduce_all(bounds[1:] >= bounds[:-1]) & tf.reduce_all(bounds[:1] == 0)
        fit &= (tf.size(bounds) > 0) & tf.reduce_all(bounds[-1:] <= end)
        tf.debugging.assert_equal(fit, True, "offsets do not begin with 0, decrease, or go too far")
    begins = tf.math.unsorted_segment_sum(tf.ones_like(bounds), bounds, end + 1)
    return tf.cumsum(begins)[:-1] - 1, tf.size(bounds) - 1


def sums(rows, bags, size):
    """Add up each bag; those at the end may have none, and behind the last offset there is none."""
    found = tf.math.segment_sum(rows, bags)[:size]
    return tf.pad(found, [[0, size - tf.shape(found)[0]], [0, 0]])


def is_maximum(rows, bags):
    """Mark the first maximum of each bag in each column; NaN is greater than all numbers."""
    size, places = tf.size(bags), tf.range(tf.size(bags))[:, None]
    is_greatest = rows == tf.gather(tf.math.segment_max(rows, bags), bags)
    order = tf.where(is_greatest, places, places + size)
    order = tf.where(tf.math.is_nan(rows), places - size, order)
    return order == tf.gather(tf.math.segment_min(order, bags), bags)

"""What torch.nn.functional.embedding, embedding_bag and one_hot document, in TensorFlow alone.

It works eagerly and in tf.function, where what is wrong with values is raised when it runs. XLA
(`jit_compile=True`) leaves all such checks out, and compiles everything but the gradient, which
comes by rows, each one once, as `tf.IndexedSlices`. There is no `max_norm`.
"""

import tensorflow as tf


def check_that(holds, message):
    """Raise tf.errors.InvalidArgumentError where a condition does not hold."""
    tf.debugging.assert_equal(holds, True, message)


def wide(dtype):
    """Return what sums are carried out in: halves lose what is added."""
    return dtype if dtype == tf.float64 else tf.float32


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding has no gradient. Without `check`, a GPU gives zeros."""
    weight, indices = tf.convert_to_tensor(weight), tf.convert_to_tensor(indices)
    if weight.shape.rank != 2 or not weight.dtype.is_floating:
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if indices.dtype not in (tf.int32, tf.int64):
        raise TypeError(f"indices are {indices.dtype.name}, not int32 or int64")
    rows, columns = weight.shape
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if check:
        inside = (tf.reduce_min(indices) >= 0) & (tf.reduce_max(indices) < rows)
        check_that(inside, f"an index is outside of a table of {rows} rows")

    @tf.custom_gradient
    def take_rows(weight):
        def gradient(grad):
            named, places, counts = tf.unique_with_counts(tf.reshape(indices, [-1]))
            grad = tf.cast(tf.reshape(grad, [tf.size(indices), columns]), wide(weight.dtype))
            total = tf.math.unsorted_segment_sum(grad, places, tf.size(named))
            if scale_grad_by_freq:
                total /= tf.cast(counts, total.dtype)[:, None]
            if padding_idx is not None:
                total = tf.where((named == padding_idx % rows)[:, None], 0, total)
            return tf.IndexedSlices(tf.cast(total, weight.dtype), named, tf.shape(weight))

        return tf.gather(weight, indices), gradient

    return take_rows(weight)


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
    weight, indices = tf.convert_to_tensor(weight), tf.convert_to_tensor(indices)
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError(f"mode {mode!r} is unknown, or does not scale gradients")
    bags, size = bag_of_each(indices, offsets, include_last_offset, check)
    found = embedding(weight, indices, padding_idx, scale_grad_by_freq, check)
    rows = tf.cast(tf.reshape(found, [tf.size(indices), weight.shape[1]]), wide(weight.dtype))
    kept = tf.fill([tf.size(indices), 1], True)
    if padding_idx is not None:
        kept = tf.reshape(indices != padding_idx % weight.shape[0], [-1, 1])
        rows = tf.where(kept, rows, 0)
    if per_sample_weights is not None:
        factors = tf.convert_to_tensor(per_sample_weights)
        if mode != "sum" or not factors.shape.is_compatible_with(indices.shape):
            raise ValueError("weights go with mode sum, one for each index")
        if factors.dtype != weight.dtype:
            raise TypeError("the weights' dtype is not the table's")
        rows *= tf.where(kept, tf.cast(tf.reshape(factors, [-1, 1]), rows.dtype), 0)
    if mode == "max":
        rows = tf.where(first_of_greatest(tf.stop_gradient(rows), kept, bags, size), rows, 0)
    # What lies behind the last offset falls into one more bag, which is dropped.
    total = tf.math.unsorted_segment_sum(rows, bags, size + 1)[:size]
    if mode == "mean":
        counts = tf.math.unsorted_segment_sum(tf.cast(kept, rows.dtype), bags, size + 1)[:size]
        total /= tf.maximum(counts, 1)
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
        check_that(tf.size(bounds) > 0, "there is no last offset")
        rising = tf.reduce_all(bounds[1:] >= bounds[:-1])
        check_that(
            (bounds[0] == 0) & rising & (bounds[-1] <= end),
            "offsets do not begin with 0, decrease, or leave the indices",
        )
    begins = tf.math.unsorted_segment_sum(tf.ones_like(bounds), bounds, end + 1)
    return tf.cumsum(begins)[:-1] - 1, tf.size(bounds) - 1


def first_of_greatest(rows, kept, bags, size):
    """Mark the first maximum of each bag in each column: NaN, else a number, else -infinity."""
    kinds = tf.where(tf.math.is_nan(rows), 2, tf.where(rows == -float("inf"), 0, 1))
    places = tf.range(tf.size(bags), dtype=tf.int64)[:, None]
    # Kinds come first, for TensorFlow's maximum of segments begins with the lowest finite number.
    for score in (kinds, tf.where(kinds == 1, rows, 0), tf.broadcast_to(-places, tf.shape(rows))):
        score = tf.where(kept, score, score.dtype.min)
        most = tf.gather(tf.math.unsorted_segment_max(score, bags, size + 1), bags)
        kept &= score == most
    return kept


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    indices = tf.convert_to_tensor(indices)
    if indices.dtype != tf.int64:
        raise TypeError(f"class values are {indices.dtype.name}, not int64")
    if type(num_classes) is not int or (num_classes < 1 and num_classes != -1):
        raise ValueError(f"num_classes {num_classes} is no number of classes")
    classes = tf.reduce_max(indices) + 1 if num_classes == -1 else num_classes
    check_that(tf.size(indices) > 0 or num_classes > 0, "there is no class")
    inside = (tf.reduce_min(indices) >= 0) & (tf.reduce_max(indices) < classes)
    check_that(inside, f"a class value is not in [0, {num_classes})")
    return tf.one_hot(indices, tf.cast(classes, tf.int32), dtype=tf.int64)

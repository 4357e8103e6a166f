"""PyTorch's one-hot rows in TensorFlow: class values must be 64-bit integers that name a class."""

import tensorflow as tf


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    indices = tf.convert_to_tensor(indices)
    if indices.dtype != tf.int64 or type(num_classes) is not int:
        raise TypeError("class values, or the number of classes, are not integers of 64 bits")
    classes = tf.reduce_max(indices) + 1 if num_classes == -1 else num_classes
    fit = (tf.reduce_min(indices) >= 0) & (tf.reduce_max(indices) < classes) & (classes > 0)
    tf.debugging.assert_equal(fit, True, "a class value is too large or negative, or there is none")
    return tf.one_hot(indices, tf.cast(classes, tf.int32), dtype=tf.int64)

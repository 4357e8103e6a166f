"""Lookups in TensorFlow's own operations; bags are the rows of a ragged tensor.

https://www.tensorflow.org/api_docs/python/tf/nn/embedding_lookup takes dense and ragged indices.
For bags TensorFlow has `tf.nn.safe_embedding_lookup_sparse`, which its documentation recommends
where bags may be empty, and `tf.nn.embedding_lookup_sparse`, which assumes that no bag is. Both
have kernels for the CPU and GPUs only. XLA and LiteRT have none: there a bag is reduced like any
other ragged tensor, by `tf.reduce_sum`, `reduce_mean` or `reduce_max`.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

MODES = ("sum", "mean", "max")
"""The modes of bags that `reduce` takes."""


CUT = "tf.RaggedTensor.from_row_splits(indices[: offsets[-1]], offsets)"
"""The spelling of bags that cuts off the values behind the last offset."""


def cut(lists: dict[str, Any]) -> dict[str, Any]:
    """Cut the indices, and their weights if there are any, where the last bag ends."""
    end = lists["offsets"][-1]
    return {n: lists[n][:end] for n in ("indices", "per_sample_weights") if n in lists}


def look_up(weight: Any, indices: Any, max_norm: float | None = None) -> Any:
    """Take the row of each index."""
    return tf.nn.embedding_lookup(weight, indices, max_norm=max_norm)


def divide(values: Any, offsets: Any, include_last_offset: bool = False) -> Any:
    """Divide flat values into bags; without offsets, each row of a matrix is one."""
    if offsets is None:
        return tf.RaggedTensor.from_tensor(values)
    if include_last_offset:
        return tf.RaggedTensor.from_row_splits(values, offsets)
    return tf.RaggedTensor.from_row_starts(values, offsets)


def pool(
    weight: Any,
    indices: Any,
    offsets: Any = None,
    per_sample_weights: Any = None,
    mode: str = "mean",
    include_last_offset: bool = False,
    max_norm: float | None = None,
) -> Any:
    """Combine the rows of each bag; for the maximum, which has no combiner, reduce ragged rows."""
    bags, factors = divide(indices, offsets, include_last_offset), None
    if mode == "max":
        rows = tf.nn.embedding_lookup(weight, bags, max_norm=max_norm)
        return tf.reduce_max(rows, axis=1)
    if per_sample_weights is not None:
        factors = divide(per_sample_weights, offsets, include_last_offset)
    return tf.nn.safe_embedding_lookup_sparse(
        weight, bags, factors, combiner=mode, max_norm=max_norm
    )


def reduce(
    weight: Any,
    indices: Any,
    offsets: Any = None,
    per_sample_weights: Any = None,
    mode: str = "mean",
    include_last_offset: bool = False,
    max_norm: float | None = None,
) -> Any:
    """Look up rows, multiply them by their weights if there are any, and reduce each bag."""
    rows = tf.nn.embedding_lookup(weight, indices, max_norm=max_norm)
    if per_sample_weights is not None:
        rows = rows * tf.expand_dims(per_sample_weights, -1)
    if offsets is not None:
        rows = divide(rows, offsets, include_last_offset)
    reduction = {"sum": tf.reduce_sum, "mean": tf.reduce_mean, "max": tf.reduce_max}[mode]
    return reduction(rows, axis=1)


def one_hot(indices: Any, num_classes: int) -> Any:
    """Make one-hot rows in int64, PyTorch's dtype; by default `tf.one_hot` gives floats."""
    return tf.one_hot(indices, num_classes, dtype=tf.int64)

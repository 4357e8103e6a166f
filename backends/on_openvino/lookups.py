"""Lookups in OpenVINO's own operations; `ops` makes models of them.

OpenVINO has no bags of mode max. They are composed: the bag of a position is the number of offsets
at or before it, minus 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from embcheck.backends.on_openvino import opset as op


def embedding(weight: Any, indices: Any) -> list[Any]:
    """Look up rows."""
    return [op.gather(weight, indices, 0)]


def embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any = None,
    per_sample_weights: Any = None,
    mode: Any = "mean",
    include_last_offset: Any = False,
) -> list[Any]:
    """Reduce bags: the rows of a matrix of indices, or the segments that offsets start."""
    if offsets is None:
        return [op.embedding_bag_packed(weight, indices, per_sample_weights, mode)]
    if include_last_offset:
        offsets = op.slice(offsets, [0], [-1], [1], [0])
    return [op.embedding_bag_offsets(weight, indices, offsets, None, per_sample_weights, mode)]


def maximise(
    weight: Any, indices: Any, offsets: Any = None, include_last_offset: Any = False
) -> list[Any]:
    """Return the maxima of bags: rows of a matrix of indices, or segments that offsets start."""
    rows = op.gather(weight, indices, 0)
    if offsets is None:
        return [op.reduce_max(rows, np.int64(1))]
    if include_last_offset:
        offsets = op.slice(offsets, [0], [-1], [1], [0])
    bags = op.gather(op.shape_of(offsets), np.int64(0), 0)
    entries = op.gather(op.shape_of(indices), np.int64(0), 0)
    places = op.range(np.int64(0), entries, np.int64(1), "i64")
    # `with_right_bound=False`: an offset counts for its own position, too.
    passed = op.bucketize(places, offsets, "i64", with_right_bound=False)
    return [op.segment_max(rows, op.subtract(passed, np.int64(1)), bags, "ZERO")]


def one_hot(indices: Any, num_classes: Any, weight: Any = None) -> list[Any]:
    """Make one-hot rows, and multiply them by a table if there is one."""
    output = op.one_hot(indices, num_classes, np.int64(1), np.int64(0), -1)
    if weight is None:
        return [output]
    return [output, op.matmul(op.convert(output, weight.get_element_type()), weight, False, False)]

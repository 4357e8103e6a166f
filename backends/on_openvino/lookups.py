"""Lookups in OpenVINO's own operations; `ops` makes models of them.

OpenVINO has no bags of mode max: the bag of a place is the number of offsets that it has passed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from embcheck.backends.on_openvino import opset as op


def embedding(weight: Any, indices: Any) -> list[Any]:
    """Look rows up."""
    return [op.gather(weight, indices, 0)]


def embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any = None,
    per_sample_weights: Any = None,
    mode: Any = "mean",
    include_last_offset: Any = False,
) -> list[Any]:
    """Reduce bags, each a row of a matrix of indices or what the offsets say."""
    if offsets is None:
        return [op.embedding_bag_packed(weight, indices, per_sample_weights, mode)]
    if include_last_offset:
        offsets = op.slice(offsets, [0], [-1], [1], [0])
    return [op.embedding_bag_offsets(weight, indices, offsets, None, per_sample_weights, mode)]


def maximise(
    weight: Any, indices: Any, offsets: Any = None, include_last_offset: Any = False
) -> list[Any]:
    """Keep the greatest numbers of bags, each a row of indices or the segment from an offset on."""
    rows = op.gather(weight, indices, 0)
    if offsets is None:
        return [op.reduce_max(rows, np.int64(1))]
    if include_last_offset:
        offsets = op.slice(offsets, [0], [-1], [1], [0])
    bags = op.gather(op.shape_of(offsets), np.int64(0), 0)
    entries = op.gather(op.shape_of(indices), np.int64(0), 0)
    places = op.range(np.int64(0), entries, np.int64(1), "i64")
    # `with_right_bound=False`: a place that is an offset has passed it.
    passed = op.bucketize(places, offsets, "i64", with_right_bound=False)
    return [op.segment_max(rows, op.subtract(passed, np.int64(1)), bags, "ZERO")]


def one_hot(indices: Any, num_classes: Any, weight: Any = None) -> list[Any]:
    """Mark classes; multiply with a table if there is one."""
    output = op.one_hot(indices, num_classes, np.int64(1), np.int64(0), -1)
    if weight is None:
        return [output]
    return [output, op.matmul(op.convert(output, weight.get_element_type()), weight, False, False)]

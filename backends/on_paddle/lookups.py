"""Lookups and bags in Paddle's own operations.

Paddle has no bags, but `paddle.geometric` documents reductions of segments.
`paddle.repeat_interleave` repeats the number of each bag by its size, which gives the bag of each
index. Rows behind the last bound belong to no bag.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes  # noqa: F401  (registers bfloat16 and the float8 types with NumPy)
import numpy as np
import paddle
from paddle import Tensor

RECEIVING = (
    "paddle.geometric.send_u_recv(rows, paddle.arange(len(rows)), bags, reduce_op=mode, "
    "out_size=bags_in_all)"
)
"""The spelling of bags in `receive_segments`."""

KEEPING = "paddle.nn.Embedding(*weight.shape, _weight=weight, _freeze=freeze)"
"""The spelling of a layer that keeps the caller's tensor as its weight."""

_BITS = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}
"""The dtypes that Paddle does not exchange with NumPy, and those that hold their bits."""


def take_rows(
    indices: Tensor, weight: Tensor, per_sample_weights: Tensor | None, **options: Any
) -> Tensor:
    """Look up rows, and multiply them by their weights, if there are any."""
    rows = paddle.nn.functional.embedding(indices, weight, **options)
    return rows if per_sample_weights is None else rows * per_sample_weights.unsqueeze(-1)


def reduce_matrix(
    indices: Tensor,
    weight: Tensor,
    mode: str,
    per_sample_weights: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """Reduce the rows of each row of indices by paddle.sum, mean or max."""
    rows = take_rows(indices, weight, per_sample_weights, **options)
    reduction: Callable[..., Tensor] = getattr(paddle, mode)
    return reduction(rows, axis=1)


def number_bags(sizes: Tensor) -> Tensor:
    """Return the number of the bag of each row."""
    return paddle.repeat_interleave(paddle.arange(len(sizes)), sizes)


def reduce_segments(
    indices: Tensor,
    weight: Tensor,
    bounds: Tensor,
    mode: str,
    per_sample_weights: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """Reduce the rows between one bound and the next by paddle.geometric.segment_*."""
    rows = take_rows(indices, weight, per_sample_weights, **options)
    bags = number_bags(paddle.diff(bounds))
    reduction: Callable[..., Tensor] = getattr(paddle.geometric, f"segment_{mode}")
    return reduction(rows[: bounds[-1]], bags)


def receive_segments(
    indices: Tensor,
    weight: Tensor,
    bounds: Tensor,
    mode: str,
    per_sample_weights: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """Reduce the same rows by paddle.geometric.send_u_recv, which takes the number of bags."""
    rows = take_rows(indices, weight, per_sample_weights, **options)[: bounds[-1]]
    sizes = paddle.diff(bounds)
    return paddle.geometric.send_u_recv(
        rows,
        paddle.arange(len(rows)),
        number_bags(sizes),
        reduce_op=mode,
        out_size=len(sizes),
    )


def to_tensor(array: np.ndarray) -> Tensor:
    """Copy an array to Paddle's default device."""
    name = array.dtype.name
    if name not in _BITS:
        return paddle.to_tensor(array)
    bits = paddle.to_tensor(array.view(_BITS[name]))
    # Paddle takes NumPy's uint16 for bfloat16 already.
    return bits if name == "bfloat16" else bits.view(name)


def to_array(tensor: Tensor) -> np.ndarray:
    """Copy a tensor to NumPy; of one that stores rows, only those rows.

    Paddle makes tensors of negative sizes, which NumPy cannot hold: they become empty arrays.
    """
    name = str(tensor.dtype).removeprefix("paddle.")
    if min(tensor.shape, default=0) < 0:
        return np.zeros([max(size, 0) for size in tensor.shape], name)
    array = np.asarray(tensor.numpy())
    return array.view(name) if name in _BITS else array


def to_dense(tensor: Tensor) -> np.ndarray:
    """Copy a tensor to NumPy; rows that it stores are added up in their places.

    They are added in double precision, so that no sum is lost here. If one of them has a number
    that the table lacks, all rows are returned as stored, with one axis more than a table.
    """
    values = to_array(tensor)
    if not tensor.is_selected_rows():
        return values
    rows, height = np.array(tensor.rows(), np.int64), tensor.get_selected_rows().height()
    if ((rows < 0) | (rows >= height)).any():
        # The additional axis gives a wrong shape, instead of wrong numbers in a right shape.
        return values[None]
    is_complex = values.dtype.kind == "c"
    dense = np.zeros((height, *values.shape[1:]), np.complex128 if is_complex else np.float64)
    np.add.at(dense, rows, values.astype(dense.dtype))
    return dense.astype(values.dtype)


def write_tensor(name: str, dtype: np.dtype) -> str:
    """Write how an array becomes a tensor."""
    if dtype.name not in _BITS:
        return f"paddle.to_tensor({name})"
    bits = f"paddle.to_tensor({name}.view(np.{_BITS[dtype.name]}))"
    return bits if dtype.name == "bfloat16" else f"{bits}.view({dtype.name!r})"


def write_array(name: str, dtype: str) -> str:
    """Write how a tensor of a dtype becomes an array."""
    bits = f".view(ml_dtypes.{dtype})" if dtype in _BITS else ""
    return f"{name}.numpy(){bits}"

"""Lookups as Triton kernels, in the style of its tutorials: one program for a few rows.

A kernel masks only what is beyond the output's rows and columns. A bag is reduced in double
precision for a table of float64, and in single precision for any other.
https://triton-lang.org/main/getting-started/tutorials/02-fused-softmax.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from embcheck.backends.composed.lookups import Lookups

kernel: Callable[[Any], Any] = triton.jit


# No hints on parameters: the compiler reads them, and knows only its own names.
@kernel
def copy_rows(  # type: ignore[no-untyped-def]
    output,
    weight,
    indices,
    count,
    columns,
    row_stride,
    column_stride,
    rows: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Copy the rows of some indices, `rows` at a time."""
    position = tl.program_id(0) * rows + tl.arange(0, rows)
    row = tl.load(indices + position, mask=position < count)
    column = tl.arange(0, block)
    mask = (position < count)[:, None] & (column < columns)[None, :]
    places = weight + row[:, None] * row_stride + column[None, :] * column_stride
    values = tl.load(places, mask=mask)
    tl.store(output + position[:, None] * columns + column[None, :], values, mask=mask)


def look_up(weight: Tensor, indices: Tensor) -> Tensor:
    """Run a program for every 32 indices."""
    count, columns = indices.numel(), weight.shape[1]
    output = torch.empty(*indices.shape, columns, dtype=weight.dtype, device=weight.device)
    # A kernel sees memory without a shape, so the indices must be contiguous, and the strides of
    # the weight are passed. The block is a power of two, which `tl.arange` demands.
    copy_rows[(triton.cdiv(count, 32),)](
        output,
        weight,
        indices.contiguous(),
        count,
        columns,
        weight.stride(0),
        weight.stride(1),
        rows=32,
        block=triton.next_power_of_2(max(columns, 1)),
    )
    return output


@kernel
def reduce_rows(  # type: ignore[no-untyped-def]
    output,
    weight,
    indices,
    bounds,
    per_sample_weights,
    columns,
    row_stride,
    column_stride,
    mode: tl.constexpr,
    precision: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Reduce the rows of each bag, which lie between one bound and the next."""
    bag = tl.program_id(0)
    start = tl.load(bounds + bag)
    end = tl.load(bounds + bag + 1)
    column = tl.arange(0, block)
    mask = column < columns
    reduced = tl.full((block,), float("-inf") if mode == "max" else 0.0, precision)
    for position in range(start, end):
        row = tl.load(indices + position)
        values = tl.load(weight + row * row_stride + column * column_stride, mask=mask)
        values = values.to(precision)
        if per_sample_weights is not None:
            values = values * tl.load(per_sample_weights + position)
        reduced = tl.maximum(reduced, values) if mode == "max" else reduced + values
    if mode == "mean":
        reduced = reduced / (end - start)
    tl.store(output + bag * columns + column, reduced, mask=mask)


def reduce_segments(
    weight: Tensor,
    indices: Tensor,
    bounds: Tensor,
    mode: str,
    per_sample_weights: Tensor | None = None,
) -> Tensor:
    """Run a program for each bag."""
    columns = weight.shape[1]
    output = torch.empty(len(bounds) - 1, columns, dtype=weight.dtype, device=weight.device)
    reduce_rows[(len(output),)](
        output,
        weight,
        indices.contiguous(),
        bounds.contiguous(),
        None if per_sample_weights is None else per_sample_weights.contiguous(),
        columns,
        weight.stride(0),
        weight.stride(1),
        mode=mode,
        precision=tl.float64 if weight.dtype == torch.float64 else tl.float32,
        block=triton.next_power_of_2(max(columns, 1)),
    )
    return output


def reduce_matrix(
    weight: Tensor, indices: Tensor, mode: str, per_sample_weights: Tensor | None = None
) -> Tensor:
    """Run a program for each row of indices."""
    rows, width = indices.shape
    bounds = torch.arange(rows + 1, device=indices.device) * width
    if per_sample_weights is not None:
        per_sample_weights = per_sample_weights.reshape(-1)
    return reduce_segments(weight, indices.reshape(-1), bounds, mode, per_sample_weights)


def append_end(offsets: Tensor, indices: Tensor) -> Tensor:
    """Append the number of indices to the offsets."""
    return torch.cat([offsets, offsets.new_tensor([len(indices)])])


LOOKUPS = Lookups(look_up, reduce_matrix, reduce_segments, append_end)

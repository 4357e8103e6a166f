"""PyTorch's lookups and bags, in tinygrad alone.

To be checked, indices and offsets are copied to NumPy: inside of TinyJit pass check=False, and
check what goes in, for tinygrad gives zeros beyond a table. Bags between offsets look at each entry
for each bag, gradients at each index for each row. There is no `max_norm`, and no
`scale_grad_by_freq`.
"""

import numpy as np
from tinygrad import Tensor, dtypes


def check_call(weight, indices, padding_idx, offsets=None, mode="sum", weights=None, last=False):
    """Raise for what PyTorch refuses."""
    rows, given = len(weight), indices.numpy()
    if weight.ndim != 2 or not dtypes.is_float(weight.dtype):
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if indices.dtype not in (dtypes.int32, dtypes.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if ((given < 0) | (given >= rows)).any():
        raise IndexError(f"an index is outside of a table of {rows} rows")
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if mode not in ("sum", "mean", "max") or (weights is not None and mode != "sum"):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    if weights is not None and (weights.shape, weights.dtype) != (indices.shape, weight.dtype):
        raise ValueError("weights are not one for each index, in the table's dtype")
    if offsets is not None:
        if given.ndim != 1 or offsets.ndim != 1 or offsets.dtype != indices.dtype:
            raise ValueError("indices and offsets are not of one dimension, and of one dtype")
        bounds = np.append(offsets.numpy(), given.size)
        if bounds[0] != 0 or len(offsets) < last or (bounds[1:] < bounds[:-1]).any():
            raise ValueError("offsets do not begin with 0, decrease, or leave the indices")


def widened(tensor):
    """Return halves in float32: they lose what is added."""
    return tensor if tensor.dtype == dtypes.float64 else tensor.cast(dtypes.float32)


def embedding(weight, indices, padding_idx=None, check=True):
    """Return the rows of a table; padding has no gradient."""
    if check:
        check_call(weight, indices, padding_idx)
    rows = widened(weight)[indices]
    if padding_idx is not None:
        is_padding = (indices == padding_idx % len(weight)).unsqueeze(-1)
        rows = is_padding.where(rows.detach(), rows)
    return rows.cast(weight.dtype)


def embedding_bag(weight, indices, offsets=None, mode="mean", per_sample_weights=None,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    weights, last = per_sample_weights, include_last_offset
    if check:
        check_call(weight, indices, padding_idx, offsets, mode, weights, last)
    _, end = indices.shape if offsets is None else (1, *indices.shape)
    kept = indices != (-1 if padding_idx is None else padding_idx % len(weight))
    if offsets is not None:
        bags = (Tensor.arange(end) >= offsets.unsqueeze(1)).sum(0) - 1
        kept = kept & (bags == Tensor.arange(len(offsets) - last).unsqueeze(1))
    kept = kept.unsqueeze(-1)
    rows = kept.where(widened(weight)[indices], 0)  # (bags, entries, columns)
    if weights is not None:
        rows = rows * kept.where(widened(weights).unsqueeze(-1), 0)
    if mode == "max":  # the first of equal maxima; NaN is greater than all numbers
        known, at = rows.detach(), Tensor.arange(end).unsqueeze(1)
        most = kept.where(known, -float("inf")).max(1, keepdim=True)
        has_nan = (kept & known.isnan()).max(1, keepdim=True)
        is_most = kept & has_nan.where(known.isnan(), known == most)
        rows = (at == is_most.where(at, end).min(1, keepdim=True)).where(rows, 0)
    sums = rows.sum(1)
    if mode == "mean":
        sums = sums / kept.sum(1).maximum(1)
    return sums.cast(weight.dtype)

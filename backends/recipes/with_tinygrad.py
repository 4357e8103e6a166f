"""PyTorch's lookups, bags and one-hot rows, in tinygrad alone.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document. tinygrad gives zeros
beyond a table: indices are checked in NumPy, for which they must be known. Inside of TinyJit pass
check=False, and check what goes in. Bags between offsets look at each row for each bag, and
gradients at each index for each row of the table. There is no `max_norm`. bfloat16 on a CPU needs a
clang that has the type __bf16, or the environment variable EMULATED_DTYPES=bfloat16.
"""

import numpy as np
from tinygrad import Tensor, dtypes


def to_tensor(array):
    """Copy an array of NumPy's: also of a file's, which tinygrad refuses, and bfloat16 as bits."""
    if isinstance(array, Tensor):
        return array
    array = np.asarray(array)
    if array.dtype.name == "bfloat16":
        return Tensor(array.view(np.uint16)).bitcast(dtypes.bfloat16)
    return Tensor(array)


def to_numpy(array):
    """Return what can be looked at."""
    return array.numpy() if isinstance(array, Tensor) else np.asarray(array)


def check_indices(indices, rows):
    """Raise where indices are not of 32 or 64 bits, or name no row."""
    given = to_numpy(indices)
    if given.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices are {given.dtype}, not int32 or int64")
    if given.size and (given.min() < 0 or given.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")


def check_bags(indices, offsets, include_last_offset, check):
    """Raise for shapes and dtypes that make no bags, and for offsets outside of the indices."""
    if indices.ndim != (2 if offsets is None else 1):
        raise ValueError("bags are rows of indices without offsets, or lie between offsets")
    if offsets is not None and (offsets.ndim != 1 or offsets.dtype != indices.dtype):
        raise ValueError("offsets have one dimension, and the dtype of the indices")
    if offsets is None or not check:
        return
    bounds, length = to_numpy(offsets), indices.shape[0]
    bounds = bounds if include_last_offset else np.append(bounds, length)
    if not len(bounds) or bounds[0] != 0 or bounds[-1] > length or (np.diff(bounds) < 0).any():
        raise ValueError("offsets do not begin with 0, decrease, or leave the indices")


def check_table(weight, indices, padding_idx, check):
    """Raise for a table, a padding index or indices that PyTorch refuses."""
    if weight.ndim != 2 or not dtypes.is_float(weight.dtype):
        raise TypeError("the table has not two dimensions of floating-point numbers")
    rows = weight.shape[0]
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if check:
        check_indices(indices, rows)


def take_rows(weight, indices, padding_idx, scale_grad_by_freq):
    """Return rows, in float32 if they are halves, which lose what is added."""
    wide = dtypes.float64 if weight.dtype == dtypes.float64 else dtypes.float32
    rows = weight.cast(wide)[indices]
    if scale_grad_by_freq:
        row_numbers = Tensor.arange(weight.shape[0]).unsqueeze(1)
        count = (row_numbers == indices.reshape(1, -1)).sum(1)[indices].unsqueeze(-1)
        part = rows / count
        # The value is that of the rows, and the gradient that of a part.
        rows = rows.isfinite().where(rows.detach() + (part - part.detach()), part)
    if padding_idx is not None:
        is_padding = (indices == padding_idx % weight.shape[0]).unsqueeze(-1)
        rows = is_padding.where(rows.detach(), rows)
    return rows


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding has no gradient."""
    check_table(weight, indices, padding_idx, check)
    rows = take_rows(weight, to_tensor(indices), padding_idx, scale_grad_by_freq)
    return rows.cast(weight.dtype)


def embedding_bag(
    weight, indices, offsets=None, mode="mean", per_sample_weights=None, padding_idx=None,
    include_last_offset=False, scale_grad_by_freq=False, check=True,
):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError(f"mode {mode!r} is unknown, or does not scale gradients")
    if per_sample_weights is not None:
        if mode != "sum" or per_sample_weights.shape != indices.shape:
            raise ValueError("weights go with mode sum, one for each index")
        if per_sample_weights.dtype != weight.dtype:
            raise TypeError("the weights' dtype is not the table's")
    check_table(weight, indices, padding_idx, check)
    check_bags(indices, offsets, include_last_offset, check)
    indices = to_tensor(indices)
    rows = take_rows(weight, indices, padding_idx, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * to_tensor(per_sample_weights).cast(rows.dtype).unsqueeze(-1)
    kept = Tensor.ones(*indices.shape, dtype=dtypes.bool)
    if padding_idx is not None:
        kept = indices != padding_idx % weight.shape[0]
    if offsets is not None:
        rows, kept = rows.unsqueeze(0), kept & in_bags(indices, offsets, include_last_offset)
    # Now rows are (1 or bags, entries, columns), and what is kept of them is (bags, entries, 1).
    kept = kept.unsqueeze(-1)
    if mode == "max":
        kept = is_greatest(rows.detach(), kept)
    sums = kept.where(rows, 0).sum(1)
    if mode == "mean":
        sums = sums / kept.sum(1).maximum(1)
    return sums.cast(weight.dtype)


def in_bags(indices, offsets, include_last_offset):
    """Say whether an entry is in a bag: (bags, entries)."""
    begins, end = to_tensor(offsets), Tensor([indices.shape[0]])
    begins = begins if include_last_offset else begins.cat(end.cast(begins.dtype))
    places, begins = Tensor.arange(indices.shape[0]), begins.unsqueeze(1)
    return (places >= begins[:-1]) & (places < begins[1:])


def is_greatest(rows, kept):
    """Choose one entry of each bag and column: the first of several maxima, or of NaN if any."""
    is_nan, places = rows.isnan(), Tensor.arange(rows.shape[1]).reshape(1, -1, 1)
    most = kept.where(rows, -float("inf")).max(1, keepdim=True)
    has_nan = (kept & is_nan).max(1, keepdim=True)
    is_found = kept & has_nan.where(is_nan, rows == most)
    return places == is_found.where(places, rows.shape[1]).min(1, keepdim=True)

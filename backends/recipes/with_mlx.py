"""PyTorch's lookups, bags and one-hot rows, in MLX alone.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document. MLX looks at no
index, and documents undefined behaviour beyond a table: indices are checked in NumPy, for which
they must be known. Inside of mx.compile pass check=False, and check what goes in. MLX's arrays do
not change, so that there is no `max_norm`, and its gradients are as large as the table. float64 is
for the CPU only.
"""

import mlx.core as mx
import numpy as np


def to_mlx(array):
    """Copy an array of NumPy's: of any strides, and float64 as such, which MLX makes float32."""
    if isinstance(array, mx.array):
        return array
    array = np.asarray(array, order="C")
    return mx.array(array, mx.float64) if array.dtype == np.float64 else mx.array(array)


def check_indices(indices, rows):
    """Raise where indices are not of 32 or 64 bits, or name no row."""
    given = np.asarray(indices)
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
    bounds = np.asarray(offsets) if include_last_offset else np.append(offsets, len(indices))
    is_outside = not len(bounds) or bounds[0] != 0 or bounds[-1] > len(indices)
    if is_outside or (np.diff(bounds) < 0).any():
        raise ValueError("offsets do not begin with 0, decrease, or leave the indices")


@mx.custom_function
def take_rows(weight, indices, by):
    """Return rows; each one's gradient is divided by `by`, and zero where that is 0."""
    return mx.take(weight, indices, axis=0)


def _gradient(known, grad, _):
    weight, indices, by = known
    total = mx.zeros(weight.shape, wide(weight.dtype))
    if weight.size:  # MLX divides by zero where there are no columns.
        grad = mx.where(by > 0, grad.astype(total.dtype) / by, 0)
        total = total.at[indices.reshape(-1)].add(grad.reshape(indices.size, weight.shape[1]))
    return total.astype(weight.dtype), mx.zeros_like(indices), mx.zeros_like(by)


take_rows.vjp(_gradient)


def wide(dtype):
    """Return the dtype to add in: halves lose what is added."""
    return mx.float64 if dtype == mx.float64 else mx.float32


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding has no gradient."""
    if weight.ndim != 2 or not mx.issubdtype(weight.dtype, mx.floating):
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if check:
        check_indices(indices, len(weight))
    rows = len(weight)
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    indices = to_mlx(indices)
    by = mx.ones(indices.shape, mx.int32)
    if scale_grad_by_freq:
        by = mx.zeros(len(weight), mx.int32).at[indices].add(by)[indices]
    if padding_idx is not None:
        by = mx.where(indices == padding_idx % len(weight), 0, by)
    return take_rows(weight, indices, by[..., None])


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
    check_bags(indices, offsets, include_last_offset, check)
    rows = embedding(weight, indices, padding_idx, scale_grad_by_freq, check)
    number = len(indices) if offsets is None else len(offsets) - bool(include_last_offset)
    if not rows.size or not number:
        return mx.zeros((number, weight.shape[1]), weight.dtype)
    indices, bags = to_mlx(indices), None
    kept = mx.ones(indices.shape, mx.bool_)
    if offsets is not None:
        bags = mx.searchsorted(to_mlx(offsets), mx.arange(len(indices)), side="right") - 1
        bags, kept = mx.minimum(bags, number - 1), bags < number  # none behind the last offset
    if padding_idx is not None:
        kept = kept & (indices != padding_idx % len(weight))
    kept = kept[..., None]
    count = reduced("sum", kept.astype(mx.int32), bags, number)
    if mode == "max":
        return mx.where(count > 0, greatest(rows, kept, bags, number), 0)
    rows = rows.astype(wide(weight.dtype))
    if per_sample_weights is not None:
        rows = rows * to_mlx(per_sample_weights)[..., None]
    sums = reduced("sum", mx.where(kept, rows, 0), bags, number)
    return (sums / mx.maximum(count, 1) if mode == "mean" else sums).astype(weight.dtype)


def reduced(how, rows, bags, number, start=0):
    """Reduce the rows of each bag, or each row of a matrix where `bags` is None."""
    if bags is None:
        return getattr(mx, how)(rows, axis=1)
    start = mx.full((number, rows.shape[1]), start, rows.dtype).at[bags]
    return {"sum": start.add, "max": start.maximum, "min": start.minimum}[how](rows)


def greatest(rows, kept, bags, number):
    """Return the maxima, or NaN where there is one; the gradient goes to the first of several."""

    @mx.custom_function
    def take(rows):
        return reduced("max", mx.where(kept, rows, -mx.inf), bags, number, -mx.inf)

    @take.vjp
    def gradient(rows, grad, most):
        most, grad = (a[:, None] if bags is None else a[bags] for a in (most, grad))
        last = rows.shape[-2]
        places = mx.arange(last)[:, None]
        is_most = kept & ((rows == most) | mx.isnan(rows))
        first = reduced("min", mx.where(is_most, places, last), bags, number, last)
        return mx.where(places == (first[:, None] if bags is None else first[bags]), grad, 0)

    return take(rows)

"""PyTorch's lookups, bags and one-hot rows, in Paddle alone.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document. Paddle has no bags.
Its lookup gives zeros for padding, leaves bad indices unchecked beside `padding_idx`, and adds
gradients up in the table's dtype: here it looks rows up, and no more. Values are checked where the
tensors lie, so that a GPU is waited for. Sparse gradients and `max_norm` are left out.
"""

import paddle
from paddle import geometric
from paddle.nn import functional


class TakeRows(paddle.autograd.PyLayer):
    """Rows of a table, whose gradient is added up in single precision at least."""

    @staticmethod
    def forward(ctx, weight, indices, padding_idx, scale_grad_by_freq):
        """Look rows up."""
        ctx.known = indices.flatten(), weight.shape, weight.dtype, padding_idx, scale_grad_by_freq
        return functional.embedding(indices, weight)

    @staticmethod
    def backward(ctx, grad):
        """Add gradients up by row; padding has none."""
        indices, (rows, columns), dtype, padding_idx, scale_grad_by_freq = ctx.known
        grad = widened(grad).reshape([len(indices), columns])
        total = paddle.index_add(paddle.zeros([rows, columns], grad.dtype), indices, 0, grad)
        if scale_grad_by_freq:
            count = paddle.bincount(indices, minlength=rows).clip(1)
            total = total / count.unsqueeze(-1).astype(total.dtype)
        if padding_idx is not None:
            total[padding_idx] = 0
        return total.astype(dtype), None


def widened(tensor):
    """Return a tensor of single precision at least: halves lose what is added."""
    return tensor if tensor.dtype == paddle.float64 else tensor.astype("float32")


def check_indices(indices, rows, check=True):
    """Raise where indices are not of 32 or 64 bits, or name no row."""
    if indices.dtype not in (paddle.int32, paddle.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if check and indices.size and (indices.min() < 0 or indices.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding has no gradient."""
    if weight.ndim != 2 or not weight.is_floating_point():
        raise TypeError("the table has not two dimensions of floating-point numbers")
    check_indices(indices, len(weight), check)
    is_row = type(padding_idx) is int and -len(weight) <= padding_idx < len(weight)
    if padding_idx is not None and not is_row:
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    return TakeRows.apply(weight, indices, padding_idx, scale_grad_by_freq)


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
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError(f"mode {mode!r} is unknown, or does not scale gradients")
    bounds = bag_bounds(indices, offsets, include_last_offset, check)
    rows = embedding(weight, indices.flatten(), padding_idx, scale_grad_by_freq, check)
    rows, padding = widened(rows), None
    bags = paddle.searchsorted(bounds, paddle.arange(len(rows)), right=True) - 1
    size = len(bounds)  # what lies behind the last bound falls into one more bag, which is dropped
    if padding_idx is not None:
        padding = indices.flatten() == padding_idx % len(weight)
        rows = rows.masked_fill(padding.unsqueeze(-1), float("-inf") if mode == "max" else 0.0)
    if mode == "max" and len(rows):
        rows = rows.masked_fill(~first_maxima(rows.detach(), bags, padding), 0.0)
    if per_sample_weights is not None:
        shape, dtype = per_sample_weights.shape, per_sample_weights.dtype
        if mode != "sum" or shape != indices.shape or dtype != weight.dtype:
            raise ValueError("weights go with mode sum, one for each index, in the table's dtype")
        factors = widened(per_sample_weights.flatten())
        factors = factors if padding is None else factors.masked_fill(padding, 0.0)
        rows = rows * factors.unsqueeze(-1)
    sums = paddle.index_add(paddle.zeros([size, rows.shape[1]], rows.dtype), bags, 0, rows)[:-1]
    if mode == "mean":
        count = bounds[1:] - bounds[:-1]
        if padding is not None:
            left_out = paddle.index_add(paddle.zeros_like(bounds), bags, 0, padding.astype("int64"))
            count = count - left_out[:-1]
        sums = sums / count.clip(1).unsqueeze(-1).astype(sums.dtype)
    return sums.astype(weight.dtype)


def first_maxima(rows, bags, padding):
    """Return where the maximum of each bag stands first, or its first NaN, in each column."""

    def of_each(segment, values):
        return paddle.gather(segment(values, bags), bags)

    is_nan, is_most = rows.isnan(), rows == of_each(geometric.segment_max, rows)
    if is_nan.any():
        has_nan = of_each(geometric.segment_max, is_nan.astype("int32")) > 0
        is_most = paddle.where(has_nan, is_nan, is_most)
    if padding is not None:
        is_most = is_most & ~padding.unsqueeze(-1)
    # Places are numbered in the shape of the rows, for tensors of two shapes are slow to add.
    small = "int32" if rows.size < 2**30 else "int64"
    places = paddle.arange(rows.size, dtype=small).reshape(rows.shape)
    behind = places + (~is_most).astype(small) * rows.size
    return places == of_each(geometric.segment_min, behind)


def bag_bounds(indices, offsets, include_last_offset, check):
    """Return where bags begin, and where the last one ends; raises for impossible offsets."""
    if indices.ndim != (2 if offsets is None else 1):
        raise ValueError("bags are rows of indices without offsets, or lie between offsets")
    if offsets is None:
        return paddle.arange(indices.shape[0] + 1) * indices.shape[1]
    if offsets.ndim != 1 or offsets.dtype != indices.dtype:
        raise ValueError("offsets have one dimension, and the dtype of the indices")
    end = paddle.to_tensor([] if include_last_offset else [len(indices)], "int64")
    bounds = paddle.concat([offsets.astype("int64"), end])
    lie_within = len(bounds) and bounds[0] == 0 and bounds[-1] <= len(indices)
    if check and not (lie_within and (bounds[1:] >= bounds[:-1]).all()):
        raise ValueError("offsets do not begin with 0, decrease, or leave the indices")
    return bounds

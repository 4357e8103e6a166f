"""PyTorch's lookups and bags, in Paddle alone, which has no bags.

Its lookup gives zeros for padding, and checks no index beside `padding_idx`: here it looks rows up,
and no more. To check values, a GPU is waited for. A table of halves is cast as a whole, for its
gradient, which is dense. There is no `max_norm`, and no `scale_grad_by_freq`.
"""

import paddle
from paddle.geometric import segment_max
from paddle.nn import functional


def check_call(weight, indices, padding_idx, offsets=None, mode="sum", weights=None, last=False):
    """Raise for what PyTorch refuses."""
    rows, end = weight.shape[0], indices.size
    if weight.ndim != 2 or not weight.is_floating_point():
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if indices.dtype not in (paddle.int32, paddle.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if ((indices < 0) | (indices >= rows)).any():
        raise IndexError(f"an index is outside of a table of {rows} rows")
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if mode not in ("sum", "mean", "max") or (weights is not None and mode != "sum"):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    if weights is not None and (weights.shape, weights.dtype) != (indices.shape, weight.dtype):
        raise ValueError("weights are not one for each index, in the table's dtype")
    if offsets is not None:
        if indices.ndim != 1 or offsets.ndim != 1 or offsets.dtype != indices.dtype:
            raise ValueError("indices and offsets are not of one dimension, and of one dtype")
        bounds = paddle.concat([offsets, paddle.to_tensor([end], offsets.dtype)])
        if bounds[0] != 0 or len(offsets) < last or (bounds[1:] < bounds[:-1]).any():
            raise ValueError("offsets do not begin with 0, decrease, or leave the indices")


def widened(tensor):
    """Return halves in float32: they lose what is added."""
    return tensor if tensor.dtype in (paddle.float32, paddle.float64) else tensor.astype("float32")


def embedding(weight, indices, padding_idx=None, check=True):
    """Return the rows of a table; padding has no gradient."""
    if check:
        check_call(weight, indices, padding_idx)
    rows = functional.embedding(indices, widened(weight))
    if padding_idx is not None and not weight.stop_gradient:
        is_padding = (indices == padding_idx % len(weight)).unsqueeze(-1)
        rows = paddle.where(is_padding, rows.detach(), rows)
    return rows.astype(weight.dtype)


def embedding_bag(weight, indices, offsets=None, mode="mean", per_sample_weights=None,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    weights, last = per_sample_weights, include_last_offset
    if check:
        check_call(weight, indices, padding_idx, offsets, mode, weights, last)
    if offsets is None:
        count, each = indices.shape
        offsets, last = paddle.arange(count) * each, False
    flat, size = indices.flatten(), len(offsets) - last
    places = paddle.arange(len(flat), dtype=offsets.dtype)
    bags = paddle.searchsorted(offsets, places, right=True) - 1
    padding = -1 if padding_idx is None else padding_idx % len(weight)
    kept = (bags < size) & (flat != padding)
    flat, bags = flat[kept], bags[kept]
    rows = functional.embedding(flat, widened(weight))
    if weights is not None:
        rows = rows * widened(weights.flatten()[kept]).unsqueeze(-1)
    if mode == "max" and len(flat):  # keeps the last of equal maxima; NaN is the greatest
        known, end, at = rows.detach(), len(places), places[kept].unsqueeze(-1)
        most = paddle.gather(segment_max(known, bags), bags)
        rank = paddle.where(known.isnan(), at + 2 * end, paddle.where(known >= most, at + end, at))
        greatest = paddle.gather(segment_max(rank, bags), bags)
        rows = paddle.where(rank == greatest, rows, paddle.zeros_like(rows))
    sums = paddle.index_add(paddle.zeros([size, rows.shape[1]], rows.dtype), bags, 0, rows)
    if mode == "mean":
        sums = sums / paddle.bincount(bags, minlength=size).clip(1).unsqueeze(-1).astype(sums.dtype)
    return sums.astype(weight.dtype)

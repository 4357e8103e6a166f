"""Lookups and bags in PyTorch whose ONNX graphs, by torch.onnx.export(dynamo=True), do the same.

The graph of an exported EmbeddingBag loops over its bags; these gather and reduce. ONNX counts
negative indices from the end: here they are moved behind it, where ONNX Runtime refuses them.
"""

import torch
from torch.nn import functional


def embedding(indices, weight, padding_idx=None):
    """Return the rows of a table; padding changes no output."""
    if weight.ndim != 2 or not weight.dtype.is_floating_point:
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if indices.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if padding_idx is not None and not (
        type(padding_idx) is int and -weight.shape[0] <= padding_idx < weight.shape[0]
    ):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    return functional.embedding(torch.where(indices < 0, weight.shape[0], indices), weight)


def embedding_bag(
    indices,
    weight,
    offsets=None,
    mode="mean",
    per_sample_weights=None,
    padding_idx=None,
    include_last_offset=False,
):
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    check_bags(indices, weight, offsets, mode, per_sample_weights)
    if offsets is not None:
        indices = refused_if_bad(offsets, indices, include_last_offset, weight)
    wide = weight.dtype if weight.dtype == torch.float64 else torch.float32
    rows = embedding(indices, weight, padding_idx).to(wide)  # halves lose what is added
    kept = torch.ones_like(indices, dtype=torch.bool)
    if padding_idx is not None:
        kept = indices != (padding_idx + weight.shape[0] if padding_idx < 0 else padding_idx)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.to(wide).unsqueeze(-1)
    empty = float("-inf") if mode == "max" else 0.0
    rows = torch.where(kept.unsqueeze(-1), rows, empty)
    if offsets is None:
        count = kept.sum(1).unsqueeze(-1)
        found = rows.sum(1)
        if mode == "max":  # ONNX Runtime's maximum leaves NaN out.
            found = torch.where(rows.isnan().sum(1) > 0, float("nan"), rows.amax(1))
    else:
        bags = bag_of_each(indices, offsets)
        # What lies behind the last offset falls into one more bag, which is dropped.
        size = offsets.shape[0] + (0 if include_last_offset else 1)
        count = torch.zeros(size, dtype=torch.int64).index_add(0, bags, kept.to(torch.int64))
        count = count[: size - 1].unsqueeze(-1)
        found = torch.full((size, weight.shape[1]), empty, dtype=wide)
        if mode == "max":
            found = found.scatter_reduce(0, bags.unsqueeze(-1).expand(rows.shape), rows, "amax")
        else:
            found = found.index_add(0, bags, rows)
        found = found[: size - 1]
    if mode == "mean":
        found = found / count.clamp(min=1)
    return torch.where(count > 0, found, 0.0).to(weight.dtype)


def check_bags(indices, weight, offsets, mode, per_sample_weights):
    """Raise while the graph is made: for shapes, dtypes and modes that fit no bags."""
    if mode not in ("sum", "mean", "max") or (mode != "sum" and per_sample_weights is not None):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    if indices.ndim != (2 if offsets is None else 1):
        raise ValueError("bags are rows of indices without offsets, or lie between offsets")
    if per_sample_weights is not None and per_sample_weights.dtype != weight.dtype:
        raise TypeError("the weights' dtype is not the table's")
    if offsets is not None and offsets.dtype != indices.dtype:
        raise TypeError("offsets have the dtype of the indices")


def refused_if_bad(offsets, indices, include_last_offset, weight):
    """Move all indices behind the table if offsets do not begin with 0, decrease, or leave them."""
    # Counted, for the reduction of nothing that an exported `any` is has no value.
    bad = (offsets[:1] != 0).sum() + (offsets[1:] < offsets[:-1]).sum()
    is_bad = bad + (offsets[-1:] > indices.shape[0]).sum() > 0
    return torch.where(is_bad, weight.shape[0], indices)


def bag_of_each(indices, offsets):
    """Return the number of the bag that each index lies in."""
    begins = torch.zeros(indices.shape[0] + 1, dtype=torch.int64)
    begins = begins.index_add(0, offsets.to(torch.int64), torch.ones_like(offsets).to(torch.int64))
    return begins.cumsum(0)[: indices.shape[0]] - 1

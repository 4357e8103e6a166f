"""PyTorch's lookups and bags, so that their export to ONNX keeps them.

They do what torch.nn.functional.embedding and embedding_bag document, without max_norm; a graph has
no gradients. Bags become rows of a matrix as long as the longest bag, and need memory for all of
that. (What `index_add` is exported as, ONNX Runtime's threads get wrong.)
"""

import torch
from torch.nn import functional


def embedding(indices, weight, padding_idx=None, check=True):
    """Return the rows of a table; padding changes no output."""
    check_dtypes(indices, weight)
    if padding_idx is not None:
        padding_idx = range(weight.shape[0])[padding_idx]  # raises where that is no row
    if check:  # ONNX counts negative indices from the end: they are moved behind it
        indices = torch.where(indices < 0, weight.shape[0], indices)
    return functional.embedding(indices, weight, padding_idx)


def embedding_bag(indices, weight, offsets=None, mode="mean", per_sample_weights=None,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    if mode not in ("sum", "mean", "max") or (mode != "sum" and per_sample_weights is not None):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    check_dtypes(indices, weight, offsets, per_sample_weights)
    bounds = bag_bounds(indices, offsets, include_last_offset)
    if check:
        bounds = bounds + zero_or_error(indices, weight.shape[0], bounds, per_sample_weights)
    longest = torch.cat([bounds.diff(), torch.zeros(1, dtype=torch.int64)]).max().item()
    places = bounds[:-1].unsqueeze(1) + torch.arange(longest)
    is_any = places < bounds[1:].unsqueeze(1)
    places = torch.where(is_any, places, 0)
    indices = indices.reshape(-1)[places]
    padding = -1 if padding_idx is None else range(weight.shape[0])[padding_idx]
    kept = (is_any & (indices != padding)).unsqueeze(-1)
    wide = torch.promote_types(weight.dtype, torch.float32)  # halves lose what is added
    rows = functional.embedding(indices, weight).to(wide)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1)[places].to(wide).unsqueeze(-1)
    rows = torch.where(kept, rows, float("-inf") if mode == "max" else 0.0)
    found = rows.sum(1) / kept.sum(1).clamp(min=1) if mode == "mean" else rows.sum(1)
    if mode == "max":  # ONNX Runtime's maximum leaves NaN out
        found = torch.where(rows.isnan().sum(1) > 0, float("nan"), rows.amax(1))
        found = torch.where(kept.sum(1) > 0, found, 0.0)
    return found.to(weight.dtype)


def bag_bounds(indices, offsets, include_last_offset):
    """Return where bags begin, and where the last one ends."""
    if offsets is None:
        bags, size = indices.shape  # raises where bags are not the rows of a matrix
        return torch.arange(bags + 1) * size
    end = torch.full((1,), indices.numel(), dtype=torch.int64)
    return offsets.long() if include_last_offset else torch.cat([offsets.long(), end])


def zero_or_error(indices, rows, bounds, scale):
    """Gather a zero, or fail where indices, bounds, or the weights' shape are impossible."""
    ends = torch.cat([bounds[1:], torch.full((1,), indices.numel())])
    wrong = [indices < 0, indices >= rows, bounds[0] != 0, ends < bounds]
    if scale is not None:
        wrong += [torch.full((1,), a) != b for a, b in zip(indices.shape, scale.shape, strict=True)]
    is_wrong = torch.cat([each.reshape(-1) for each in wrong]).sum() > 0
    return torch.zeros(1, dtype=torch.int64).index_select(0, is_wrong.long().view(1))


def check_dtypes(indices, weight, offsets=None, per_sample_weights=None):
    """Raise while the graph is made."""
    if weight.ndim != 2 or not weight.dtype.is_floating_point:
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if indices.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if offsets is not None and (indices.ndim, offsets.ndim, offsets.dtype) != (1, 1, indices.dtype):
        raise TypeError("offsets and indices beside them have one dimension, and one dtype")
    if per_sample_weights is not None and per_sample_weights.dtype != weight.dtype:
        raise TypeError("the weights' dtype is not the table's")

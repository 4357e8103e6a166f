"""PyTorch's lookups and bags, so that their export to ONNX keeps them.

By torch.onnx.export(dynamo=True) their graphs do what torch.nn.functional.embedding and
embedding_bag document, run by ONNX Runtime. The graph of an exported EmbeddingBag loops over its
bags. These are one gather: bags between offsets become rows of a matrix as long as the longest bag,
and need memory for all of that. (Sums by `index_add` are exported as ScatterND, which ONNX
Runtime's threads get wrong.) ONNX counts negative indices from the end: here they are moved behind
it, where ONNX Runtime refuses them, as it refuses impossible offsets. A graph has no gradients, and
cannot change the table by `max_norm`.
"""

import torch
from torch.nn import functional


def embedding(indices, weight, padding_idx=None, check=True):
    """Return the rows of a table; padding changes no output."""
    if weight.ndim != 2 or not weight.dtype.is_floating_point:
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if indices.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    rows = weight.shape[0]
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    if check:
        indices = torch.where(indices < 0, rows, indices)
    return functional.embedding(indices, weight)


def embedding_bag(
    indices, weight, offsets=None, mode="mean", per_sample_weights=None, padding_idx=None,
    include_last_offset=False, check=True,
):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    check_bags(indices, weight, offsets, mode, per_sample_weights)
    kept = torch.ones_like(indices, dtype=torch.bool)
    if offsets is not None:
        size = torch.full((1,), indices.shape[0], dtype=torch.int64)
        bounds = offsets.long() if include_last_offset else torch.cat([offsets.long(), size])
        if check:
            zero = zero_or_error(indices, weight, bounds, size, per_sample_weights)
            indices, bounds = indices + zero, bounds + zero
        places, kept = places_of(bounds, size)
        indices = at(places, indices)
        if per_sample_weights is not None:
            per_sample_weights = at(places, per_sample_weights)
    wide = weight.dtype if weight.dtype == torch.float64 else torch.float32
    rows = embedding(indices, weight, padding_idx, check).to(wide)  # halves lose what is added
    if padding_idx is not None:
        kept = kept & (indices != padding_idx + (weight.shape[0] if padding_idx < 0 else 0))
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.to(wide).unsqueeze(-1)
    count = kept.sum(1).unsqueeze(-1)
    rows = torch.where(kept.unsqueeze(-1), rows, float("-inf") if mode == "max" else 0.0)
    if mode == "max":  # ONNX Runtime's maximum leaves NaN out
        found = torch.where(rows.isnan().sum(1) > 0, float("nan"), rows.amax(1))
    else:
        found = rows.sum(1)
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
    if per_sample_weights is not None and per_sample_weights.ndim != indices.ndim:
        raise ValueError("there is one weight for each index")
    if offsets is not None and (offsets.ndim != 1 or offsets.dtype != indices.dtype):
        raise TypeError("offsets have one dimension, and the dtype of the indices")


def zero_or_error(indices, weight, bounds, size, per_sample_weights):
    """Gather a zero, or fail where bounds or indices are impossible, or weights too few or many."""
    # Counted, for the reduction of nothing that an exported `any` is has no value.
    bad = ((indices < 0) | (indices >= weight.shape[0])).sum() + (bounds[:1] != 0).sum()
    bad = bad + (bounds.diff() < 0).sum() + (bounds[-1:] > size).sum() + (bounds.shape[0] == 0)
    if per_sample_weights is not None:
        bad = bad + (size != per_sample_weights.shape[0]).sum()
    return torch.zeros(1, dtype=indices.dtype).index_select(0, (bad > 0).long().view(1))


def places_of(bounds, size):
    """Return the places of each bag's indices, (bags, longest), and which of them are any."""
    longest = torch.cat([bounds.diff(), torch.zeros_like(size)]).max().item()
    places = bounds[:-1].unsqueeze(1) + torch.arange(longest).unsqueeze(0)
    is_any = places < bounds[1:].unsqueeze(1)
    return torch.where(is_any, places, size), is_any


def at(places, values):
    """Return the values at places, where the place behind the last one has 0."""
    return torch.cat([values, torch.zeros(1, dtype=values.dtype)])[places]

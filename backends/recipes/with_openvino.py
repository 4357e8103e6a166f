"""PyTorch's lookups and bags, by models of OpenVINO, each of a table.

A model cannot refuse an index: NumPy checks each call, leaves padding out, and takes maxima, for
OpenVINO's leave NaN out. The CPU would round doubles: bags refuse them. No gradients, no max_norm.
"""

import numpy as np
import openvino
import openvino.opset16 as op


def embedding(weight, padding_idx=None, check=True):
    """Return a function of indices that returns the rows of a table; padding changes no output."""
    if padding_idx is not None:
        range(len(weight))[padding_idx]  # raises unless it is a row
    names = op.parameter([-1], np.int32)
    rows = op.gather(np.ascontiguousarray(weight).view(np.uint8), names, 0)
    model = openvino.compile_model(openvino.Model([rows], [names], "lookup"), "CPU")

    def look_up(indices):
        if check:
            check_call(indices, weight)
        found = model(indices.reshape(-1))[0].view(weight.dtype)
        return found.reshape(*indices.shape, weight.shape[1])

    return look_up


def embedding_bag(weight, mode="mean", padding_idx=None, include_last_offset=False,
                  weighted=False, check=True):  # fmt: skip
    """Return a function of indices, offsets and, if weighted, weights; empty bags are zeros."""
    padding = -1 if padding_idx is None else range(len(weight))[padding_idx]
    if mode not in ("sum", "mean", "max") or (weighted and mode != "sum") or weight.itemsize == 8:
        raise ValueError("sum, mean or max; sums take weights; the CPU adds in single precision")
    names, bounds, factors = (op.parameter([-1], t) for t in (np.int32, np.int32, np.float32))
    table = np.pad(weight, ((0, 1), (0, 0))).astype(np.float32)  # one more row, of zeros
    found = op.gather(table, names, 0)
    if weighted:
        places = op.range(np.int32(0), op.squeeze(op.shape_of(names)), np.int32(1), "i32")
        found = op.embedding_bag_offsets(found * op.unsqueeze(factors, 1), places, bounds)
    elif mode != "max":
        found = op.embedding_bag_offsets(table, names, bounds, reduction=mode)
    model = openvino.Model([found], [names, bounds] + [factors] * weighted, "bags")
    model = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def pool(indices, offsets=None, per_sample_weights=None):
        if offsets is None:
            bags, size = indices.shape
            bounds = np.arange(bags + 1) * size
        else:
            bounds = offsets if include_last_offset else np.append(offsets, len(indices))
        if check:
            check_call(indices, weight, per_sample_weights, offsets, bounds)
        kept = np.flatnonzero(indices.reshape(-1)[: bounds[-1]] != padding)
        # The row of zeros is in one more bag: OpenVINO refuses one that begins behind all indices.
        given = [np.append(indices.reshape(-1)[kept], len(weight)), np.searchsorted(kept, bounds)]
        if weighted or per_sample_weights is not None:
            given.append(np.append(per_sample_weights.reshape(-1)[kept].astype(np.float32), 0))
        found = model(given)[0]
        if mode == "max":
            found = np.maximum.reduceat(found, given[1])
            found[:-1][np.diff(given[1]) == 0] = 0
        return found[:-1].astype(weight.dtype)

    return pool


def check_call(indices, weight, factors=None, offsets=None, bounds=(0,)):
    """Raise where indices, weights or offsets fit no call on that table."""
    if weight.ndim != 2 or weight.dtype.kind not in "fV" or indices.dtype not in ("i4", "i8"):
        raise TypeError("a table has two dimensions of floats, and indices have 32 or 64 bits")
    if indices.size and (indices.min() < 0 or indices.max() >= len(weight)):
        raise IndexError(f"an index is outside of a table of {len(weight)} rows")
    if factors is not None and (factors.shape, factors.dtype) != (indices.shape, weight.dtype):
        raise ValueError("weights are of the table's dtype, one for each index")
    if offsets is not None and (indices.ndim, offsets.ndim, offsets.dtype) != (1, 1, indices.dtype):
        raise TypeError("offsets and indices beside them have one dimension, and one dtype")
    if bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] > indices.size:
        raise ValueError("offsets do not begin with 0, decrease, or leave the indices")

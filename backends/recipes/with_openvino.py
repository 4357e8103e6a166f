"""PyTorch's lookups and bags, by models of OpenVINO.

They do what torch.nn.functional.embedding and embedding_bag document. Each function compiles a
model of a table, and returns what calls it. A model cannot refuse an index: NumPy checks each call,
and leaves padding out. NumPy also takes maxima: OpenVINO's leave NaN out. The CPU has no double
precision: lookups move bytes, bags refuse it. There are no gradients, and there is no max_norm.
"""

import numpy as np
import openvino
import openvino.opset16 as op


def embedding(weight, padding_idx=None, check=True):
    """Return a function of indices that returns the rows of a table; padding changes no output."""
    padding_row(weight, padding_idx)
    names = op.parameter([-1], np.int32)
    rows = op.gather(np.ascontiguousarray(weight).view(np.uint8), names, 0)
    model = openvino.compile_model(openvino.Model([rows], [names], "lookup"), "CPU")

    def look_up(indices):
        if check:
            check_indices(indices, weight)
        found = model(indices.reshape(-1))[0].view(weight.dtype)
        return found.reshape(*indices.shape, weight.shape[1])

    return look_up


def embedding_bag(
    weight, mode="mean", padding_idx=None, include_last_offset=False, weighted=False, check=True
):
    """Return a function of indices, offsets and, if weighted, weights; empty bags are zeros."""
    padding = padding_row(weight, padding_idx)
    if mode not in ("sum", "mean", "max") or (weighted and mode != "sum"):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    if weight.dtype == np.float64:
        raise TypeError("the CPU adds in single precision: give a table of float32")
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
        if check:
            check_indices(indices, weight, per_sample_weights)
        bounds = bag_bounds(indices, offsets, include_last_offset, check)
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


def padding_row(weight, padding_idx):
    """Return the number of the padding row, or -1; raises where there is none, or no table."""
    if weight.ndim != 2 or "float" not in weight.dtype.name:
        raise TypeError("the table has not two dimensions of floating-point numbers")
    return -1 if padding_idx is None else range(len(weight))[padding_idx]


def check_indices(indices, weight, factors=None):
    """Raise where indices are not of 32 or 64 bits, or name no row, or weights do not fit them."""
    if indices.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if indices.size and (indices.min() < 0 or indices.max() >= len(weight)):
        raise IndexError(f"an index is outside of a table of {len(weight)} rows")
    if factors is not None and (factors.shape, factors.dtype) != (indices.shape, weight.dtype):
        raise ValueError("weights are of the table's dtype, one for each index")


def bag_bounds(indices, offsets, include_last_offset, check):
    """Return where bags begin, and where the last one ends; raises for impossible offsets."""
    if offsets is None:
        bags, size = indices.shape
        return np.arange(bags + 1) * size
    if check and (indices.ndim, offsets.ndim, offsets.dtype) != (1, 1, indices.dtype):
        raise TypeError("offsets and indices beside them have one dimension, and one dtype")
    bounds = offsets if include_last_offset else np.append(offsets, len(indices))
    if check and (bounds[0] != 0 or (bounds > np.append(bounds[1:], len(indices))).any()):
        raise ValueError("offsets do not begin with 0, decrease, or leave the indices")
    return bounds

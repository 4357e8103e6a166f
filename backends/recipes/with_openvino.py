"""PyTorch's lookups, bags and one-hot rows, by models of OpenVINO.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document. Each function
compiles a model once, and returns what calls it. A model cannot refuse an index: it counts negative
ones from the end, gives zeros for others, and the CPU cuts all to 32 bits before. So NumPy checks
them first. Where nobody can, `clamp=True` makes a model that moves them into the table, and says
beside its output whether it moved one; what the cut hides it does not see. The CPU has no double
precision: lookups move bytes, and bags refuse it. There are no gradients.
"""

import numpy as np
import openvino
import openvino.opset16 as op


def embedding(weight, padding_idx=None, clamp=False, check=True):
    """Return a function of indices that returns the rows of a table; padding changes no output."""
    check_table(weight, padding_idx)
    given = op.parameter([-1], np.int32)
    within, moved = clamped(given, len(weight)) if clamp else (given, None)
    table = op.constant(np.ascontiguousarray(weight).view(np.uint8))
    model = compiled([given], op.gather(table, within, 0), moved)

    def look_up(indices):
        check_indices(indices, len(weight), check and not clamp)
        rows, *flag = model(indices.reshape(-1).astype(np.int32)).values()
        rows = rows.view(weight.dtype).reshape(*indices.shape, weight.shape[1])
        return (rows, bool(flag[0])) if clamp else rows

    return look_up


def embedding_bag(
    weight,
    mode="mean",
    padding_idx=None,
    include_last_offset=False,
    weighted=False,
    clamp=False,
    check=True,
):
    """Return a function of indices, offsets and, if weighted, weights, that returns bags' rows.

    A bag without indices, or of padding alone, is zeros.
    """
    check_table(weight, padding_idx)
    if weight.dtype == np.float64:
        raise TypeError("the CPU adds in single precision: give a table of float32")
    if mode not in ("sum", "mean", "max") or (mode != "sum" and weighted):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    table = np.zeros((max(len(weight), 1), weight.shape[1]), np.float32)
    table[: len(weight)] = weight
    kept = np.ones((len(table), 1), np.float32)
    if padding_idx is not None:
        kept[padding_idx] = table[padding_idx] = 0
    given, bounds = op.parameter([-1], np.int32), op.parameter([-1], np.int32)
    factors = [op.parameter([-1], np.float32)] if weighted else []
    within, moved = clamped(given, len(weight)) if clamp else (given, None)
    # One more index lies in one more bag, which is dropped: bags at the end may be empty then.
    within = op.concat([within, np.zeros(1, np.int32)], 0)
    found = reduced(table, kept, within, bounds, mode, *factors)
    found = op.slice(found, [0], [-1], [1], [0])
    model = compiled([given, bounds, *factors], found, moved)

    def pool(indices, offsets=None, per_sample_weights=None):
        check_indices(indices, len(weight), check and not clamp)
        ends = bag_bounds(indices, offsets, include_last_offset, check)
        arrays = [indices.reshape(-1).astype(np.int32), ends.astype(np.int32)]
        if weighted or per_sample_weights is not None:
            if not weighted or np.shape(per_sample_weights) != indices.shape:
                raise ValueError("weights go with weighted=True, one for each index")
            if per_sample_weights.dtype != weight.dtype:
                raise TypeError("the weights' dtype is not the table's")
            arrays.append(per_sample_weights.reshape(-1).astype(np.float32))
        rows, *flag = model(arrays).values()
        rows = rows.astype(weight.dtype)
        return (rows, bool(flag[0])) if clamp else rows

    return pool


def bags(source, which, bounds, how="sum"):
    """Return sums or means of rows of a source, between one bound and the next."""
    return op.embedding_bag_offsets(source, which, bounds, None, None, how)


def reduced(table, kept, within, bounds, mode, factors=None):
    """Return the sums, means or maxima of bags, of those rows that are kept."""
    zero = np.float32(0)
    places = op.range(np.int32(0), op.gather(op.shape_of(within, "i32"), 0, 0), np.int32(1), "i32")
    if factors is not None:
        factors = op.unsqueeze(op.concat([factors, np.zeros(1, np.float32)], 0), 1)
        factors = op.select(op.greater(op.gather(kept, within, 0), zero), factors, zero)
        return bags(op.multiply(op.gather(table, within, 0), factors), places, bounds)
    if mode == "sum" or (mode == "mean" and kept.all()):
        return bags(table, within, bounds, mode)
    count = bags(kept, within, bounds)
    if mode == "mean":
        return op.divide(bags(table, within, bounds), op.maximum(count, np.float32(1)))
    # OpenVINO's own maxima leave NaN out, and begin with the lowest finite number.
    is_nan = np.isnan(table)
    rows = op.gather(np.where(is_nan | (kept == 0), -np.inf, table), within, 0)
    bag_of = op.subtract(op.bucketize(places, bounds, "i32", with_right_bound=False), np.int32(1))
    bag_of = op.broadcast(op.unsqueeze(bag_of, 1), op.shape_of(rows))
    size = op.concat([op.shape_of(bounds), np.array([table.shape[1]])], 0)
    lowest = op.broadcast(np.float32(-np.inf), size)
    found = op.scatter_elements_update(lowest, bag_of, rows, 0, "max")
    if is_nan.any():
        nans = bags(is_nan.astype(np.float32), within, bounds)
        found = op.select(op.greater(nans, zero), np.float32(np.nan), found)
    return op.select(op.greater(count, zero), found, zero)


def compiled(inputs, output, moved):
    """Compile a model for the CPU, which lowers single precision on some processors otherwise."""
    model = openvino.Model([output, *([moved] if moved else [])], inputs, "lookup")
    return openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def clamped(given, rows):
    """Return indices within a table, and whether one was moved there."""
    within = op.maximum(op.minimum(given, np.int32(rows - 1)), np.int32(0))
    return within, op.reduce_logical_or(op.not_equal(given, within), np.array([0]))


def check_table(weight, padding_idx):
    """Raise where a table is none, or has no such row."""
    if weight.ndim != 2 or not weight.dtype.name.startswith(("float", "bfloat")):
        raise TypeError("the table has not two dimensions of floating-point numbers")
    is_row = type(padding_idx) is int and -len(weight) <= padding_idx < len(weight)
    if padding_idx is not None and not is_row:
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")


def check_indices(indices, rows, check=True):
    """Raise where indices are not of 32 or 64 bits, or name no row."""
    if indices.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if check and indices.size and (indices.min() < 0 or indices.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")


def bag_bounds(indices, offsets, include_last_offset, check):
    """Return where bags begin, and where the last one ends; raises for impossible offsets."""
    if indices.ndim != (2 if offsets is None else 1):
        raise ValueError("bags are rows of indices without offsets, or lie between offsets")
    if offsets is None:
        return np.arange(indices.shape[0] + 1) * indices.shape[1]
    if offsets.ndim != 1 or offsets.dtype != indices.dtype:
        raise ValueError("offsets have one dimension, and the dtype of the indices")
    bounds = offsets if include_last_offset else np.append(offsets, len(indices))
    lie_within = len(bounds) and bounds[0] == 0 and bounds[-1] <= len(indices)
    if check and not (lie_within and (np.diff(bounds) >= 0).all()):
        raise ValueError("offsets do not begin with 0, decrease, or leave the indices")
    return bounds


def one_hot(num_classes=-1):
    """Return a function of class values: vectors of 64-bit integers, with a 1 at each."""
    if type(num_classes) is not int or (num_classes != -1 and num_classes < 1):
        raise ValueError("there is no class")
    given, depth = op.parameter([-1], np.int64), op.parameter([], np.int64)
    model = compiled([given, depth], op.one_hot(given, depth, np.int64(1), np.int64(0), -1), None)

    def encode(indices):
        if indices.dtype != np.int64:
            raise TypeError(f"class values are {indices.dtype}, not int64")
        if num_classes == -1 and not indices.size:
            raise ValueError("there is no class")
        size = num_classes if num_classes != -1 else int(indices.max()) + 1
        check_indices(indices, size)
        return model([indices.reshape(-1), np.array(size)])[0].reshape(*indices.shape, size)

    return encode

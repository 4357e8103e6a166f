"""PyTorch's lookups and bags, as graphs by onnxscript.

ONNX counts negative indices from the end, and has no error that a graph can raise: a gather from a
list of one zero fails where something is wrong. Bags between offsets become rows of a matrix as
long as the longest. Halves are added in single precision. No gradients, and no max_norm.
"""

from onnxscript import GraphBuilder, ir

FLOAT, DOUBLE, INT32, INT64 = (ir.DataType[x] for x in ("FLOAT", "DOUBLE", "INT32", "INT64"))


def embedding(dtype=FLOAT, index_dtype=INT64, rank=1, padding_idx=None, check=True):
    """Make a model that takes indices of that rank and (rows, columns), and gives the rows."""
    op, indices, weight, _, wrong = started(dtype, index_dtype, rank, padding_idx)
    indices = op.Add(indices, zero_or_error(op, *wrong * check))
    op.builder.add_output(op.Gather(weight, indices), "output")
    return ir.to_proto(ir.Model(op.builder.graph, ir_version=10))


def embedding_bag(dtype=FLOAT, index_dtype=INT64, rank=1, mode="mean", is_weighted=False,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Make a model that takes indices, a table, offsets beside rank 1, and weights if asked for."""
    if mode not in ("sum", "mean", "max") or rank not in (1, 2) or (mode != "sum" and is_weighted):
        raise ValueError(f"no bags by mode {mode!r} of indices with rank {rank}, or no weights")
    op, indices, weight, padding, wrong = started(dtype, index_dtype, rank, padding_idx)
    size = op.Shape(indices)
    if rank == 1:
        bounds = op.Cast(op.builder.input("offsets", index_dtype, ["bags"]), to=INT64)
        bounds = op.Concat(bounds, *[size] * (not include_last_offset), axis=0)
        begins, ends = op.Slice(bounds, [0], [-1]), op.Slice(bounds, [1], [2**62])
        wrong += [op.Less(op.Concat(ends, size, axis=0), bounds), op.Gather(bounds, [0])]
    if is_weighted:
        factors = op.builder.input("per_sample_weights", dtype, indices.shape)
        wrong.append(op.Not(op.Equal(op.Shape(factors), size)))
    zero = zero_or_error(op, *wrong * check)
    indices = op.Add(indices, zero)
    if rank == 1:  # bags become the rows of a matrix, with -1 behind their ends
        begins, ends = (op.Unsqueeze(op.Add(each, zero), [1]) for each in (begins, ends))
        places = op.Add(begins, op.Range(0, op.ReduceMax(op.Sub(ends, begins), keepdims=0), 1))
        places = op.Where(op.Less(places, ends), places, -1)
        indices = op.Gather(op.Concat(indices, [-1], axis=0), places)
        factors = op.Gather(factors, places) if is_weighted else None
    kept = op.Unsqueeze(op.And(op.Greater(indices, -1), op.Not(op.Equal(indices, padding))), [2])
    values = op.Cast(op.Gather(weight, indices), to=DOUBLE if dtype == DOUBLE else FLOAT)
    if is_weighted:
        values = op.Mul(values, op.Unsqueeze(op.CastLike(factors, values), [2]))
    values = op.Where(kept, values, float("-inf") if mode == "max" else 0.0)
    found = (op.ReduceMax if mode == "max" else op.ReduceSum)(values, [1], keepdims=0)
    count = op.ReduceSum(op.Cast(kept, to=INT64), [1], keepdims=0)
    if mode == "max":  # ONNX Runtime's maxima leave NaN out
        nans = op.ReduceSum(op.Where(op.IsNaN(values), values, 0.0), [1], keepdims=0)
        found = op.Where(op.Greater(count, 0), op.Add(found, nans), 0.0)
    if mode == "mean":
        found = op.Div(found, op.CastLike(op.Max(count, 1), found))
    op.builder.add_output(op.CastLike(found, weight), "output")
    return ir.to_proto(ir.Model(op.builder.graph, ir_version=10))


def started(dtype, index_dtype, rank, padding_idx):
    """Return a builder, indices of 64 bits, a table, its padding row, and what may be wrong."""
    if not dtype.is_floating_point() or index_dtype not in (INT32, INT64):
        raise TypeError(f"no lookup in {dtype} by {index_dtype}")
    op = GraphBuilder(ir.Graph([], [], nodes=[], opset_imports={"": 20}, name="lookup")).op
    indices = op.Cast(op.builder.input("indices", index_dtype, [None] * rank), to=INT64)
    weight = op.builder.input("weight", dtype, ["rows", "columns"])
    rows, padding = op.Shape(weight, end=1), -1
    wrong = [op.Less(indices, 0), op.GreaterOrEqual(indices, rows)]
    if padding_idx is not None:
        padding = op.Add(rows, padding_idx) if padding_idx < 0 else op.Identity([padding_idx])
        wrong += [op.Less(padding, 0), op.GreaterOrEqual(padding, rows)]
    return op, indices, weight, padding, wrong


def zero_or_error(op, *wrong):
    """Gather a zero, or fail where anything is not zero, or true."""
    flags = [op.Reshape(op.Cast(each, to=ir.DataType.BOOL), [-1]) for each in wrong]
    is_wrong = op.Cast(op.Concat([False], *flags, axis=0), to=INT64)
    return op.Gather([0], op.ReduceMax(is_wrong, keepdims=0))

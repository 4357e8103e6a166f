"""PyTorch's lookups and bags, as graphs by onnxscript.

They do what torch.nn.functional.embedding and embedding_bag document. Each function makes the bytes
of a model for tables and indices of some dtypes, of any size. ONNX counts negative indices from the
end, and has no error that a graph can raise: a gather from a list of one zero fails where something
is wrong. Bags between offsets become rows of a matrix as long as the longest, and need memory for
all of that. A graph has no gradients, and so no scale_grad_by_freq; there is no max_norm.
"""

from onnxscript import GraphBuilder, ir

FLOATS = {"float16": "FLOAT16", "bfloat16": "BFLOAT16", "float32": "FLOAT", "float64": "DOUBLE"}
INT64 = ir.DataType.INT64


def embedding(dtype="float32", index_dtype="int64", rank=1, padding_idx=None, check=True):
    """Make a model that takes indices of that rank and (rows, columns), and gives the rows."""
    graph, indices, weight, _, wrong = started(dtype, index_dtype, rank, padding_idx)
    zero = zero_or_error(graph.op, *wrong * check)
    return finished(graph, graph.op.Gather(weight, graph.op.Add(indices, zero)))


def embedding_bag(
    dtype="float32", index_dtype="int64", has_offsets=True, mode="mean", is_weighted=False,
    padding_idx=None, include_last_offset=False, check=True,
):  # fmt: skip
    """Make a model that takes indices, a table, and where asked for offsets and weights."""
    if mode not in ("sum", "mean", "max") or (mode != "sum" and is_weighted):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    rank = 1 if has_offsets else 2
    graph, indices, weight, padding, wrong = started(dtype, index_dtype, rank, padding_idx)
    op, size = graph.op, graph.op.Shape(indices)
    if has_offsets:
        bounds = graph.input("offsets", ir.DataType[index_dtype.upper()], ["bags"])
        bounds = op.Concat(op.Cast(bounds, to=INT64), *[size] * (not include_last_offset), axis=0)
        begins, ends = op.Slice(bounds, [0], [-1]), op.Slice(bounds, [1], [2**62])
        wrong += [op.Less(op.Concat(ends, size, axis=0), bounds), op.Gather(bounds, [0])]
    if is_weighted:
        factors = graph.input("per_sample_weights", weight.dtype, indices.shape)
        wrong.append(op.Not(op.Equal(op.Shape(factors), size)))
    zero = zero_or_error(op, *wrong * check)
    indices = op.Add(indices, zero)
    if has_offsets:  # bags become the rows of a matrix, with -1 behind their ends
        begins, ends = (op.Unsqueeze(op.Add(each, zero), [1]) for each in (begins, ends))
        places = op.Add(begins, op.Range(0, op.ReduceMax(op.Sub(ends, begins), keepdims=0), 1))
        is_any = op.Less(places, ends)
        places = op.Where(is_any, places, 0)
        indices = op.Where(is_any, op.Gather(indices, places), -1)
        factors = op.Gather(factors, places) if is_weighted else None
    kept = op.And(op.GreaterOrEqual(indices, 0), op.Not(op.Equal(indices, padding)))
    wide = ir.DataType.DOUBLE if dtype == "float64" else ir.DataType.FLOAT
    values = op.Cast(op.Gather(weight, indices), to=wide)  # halves lose what is added
    if is_weighted:
        values = op.Mul(values, op.Unsqueeze(op.Cast(factors, to=wide), [2]))
    kept, is_max = op.Unsqueeze(kept, [2]), mode == "max"
    values = op.Where(kept, values, float("-inf") if is_max else 0.0)
    found = (op.ReduceMax if is_max else op.ReduceSum)(values, [1], keepdims=0)
    count = op.ReduceSum(op.Cast(kept, to=INT64), [1], keepdims=0)
    if is_max:  # ONNX Runtime's maxima leave NaN out
        nans = op.ReduceSum(op.Where(op.IsNaN(values), values, 0.0), [1], keepdims=0)
        found = op.Where(op.Greater(count, 0), op.Add(found, nans), 0.0)
    if mode == "mean":
        found = op.Div(found, op.Cast(op.Max(count, 1), to=wide))
    return finished(graph, op.CastLike(found, weight))


def started(dtype, index_dtype, rank, padding_idx):
    """Return a builder, indices of 64 bits, a table, its padding row, and what may be wrong."""
    if dtype not in FLOATS or index_dtype not in ("int32", "int64") or type(padding_idx) is float:
        raise TypeError(f"no lookup in {dtype} by {index_dtype}, padding_idx {padding_idx}")
    graph = GraphBuilder(ir.Graph([], [], nodes=[], opset_imports={"": 20}, name="lookup"))
    op, axes = graph.op, [f"axis_{number}" for number in range(rank)]
    indices = op.Cast(graph.input("indices", ir.DataType[index_dtype.upper()], axes), to=INT64)
    weight = graph.input("weight", ir.DataType[FLOATS[dtype]], ["rows", "columns"])
    rows, padding = op.Shape(weight, end=1), -1
    wrong = [op.Less(indices, 0), op.GreaterOrEqual(indices, rows)]
    if padding_idx is not None:
        padding = op.Add(rows, padding_idx) if padding_idx < 0 else op.Identity([padding_idx])
        wrong += [op.Less(padding, 0), op.GreaterOrEqual(padding, rows)]
    return graph, indices, weight, padding, wrong


def zero_or_error(op, *wrong):
    """Gather a zero, or fail where anything is not zero, or true."""
    flags = [op.Reshape(op.Cast(each, to=ir.DataType.BOOL), [-1]) for each in wrong]
    is_wrong = op.Cast(op.Concat([False], *flags, axis=0), to=INT64)
    return op.Gather([0], op.ReduceMax(is_wrong, keepdims=0))


def finished(graph, output):
    """Return the bytes of a model with that output."""
    graph.add_output(output, "output")
    return ir.to_proto(ir.Model(graph.graph, ir_version=10)).SerializeToString()

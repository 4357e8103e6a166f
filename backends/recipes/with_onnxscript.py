"""PyTorch's lookups, bags and one-hot rows, as graphs by onnxscript.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document. Each function makes
the bytes of a model for tables and indices of some dtypes, of any size. ONNX counts negative
indices from the end, and has no error that a graph can raise: a gather from a list of one zero
fails where something is wrong. Bags between offsets become rows of a matrix as long as the longest
bag, and need memory for all of that. A graph has no gradients, and cannot change the table by
`max_norm`. Halves are added in float32, as few runtimes add bfloat16.
"""

from onnxscript import GraphBuilder, ir

FLOATS = {"float16": "FLOAT16", "bfloat16": "BFLOAT16", "float32": "FLOAT", "float64": "DOUBLE"}
INT64 = ir.DataType.INT64
END = 2**62


def embedding(dtype="float32", index_dtype="int64", rank=1, padding_idx=None, check=True):
    """Make a model that takes indices of that rank and (rows, columns), and gives the rows."""
    graph, indices, weight = started(index_dtype, rank, dtype)
    op = graph.op
    if check:
        rows = op.Squeeze(op.Shape(weight, end=1))
        indices = op.Where(op.Less(indices, 0), rows, indices)
        if padding_idx is not None:
            indices = op.Add(indices, zero_or_error(op, wrong_padding(op, rows, padding_idx)))
    return finished(graph, op.Gather(weight, indices))


def embedding_bag(
    dtype="float32", index_dtype="int64", has_offsets=True, mode="mean", is_weighted=False,
    padding_idx=None, include_last_offset=False, check=True,
):  # fmt: skip
    """Make a model that takes a table, indices, and where asked for offsets and weights."""
    if mode not in ("sum", "mean", "max") or (mode != "sum" and is_weighted):
        raise ValueError(f"mode {mode!r} is unknown, or takes no weights")
    graph, indices, weight = started(index_dtype, 1 if has_offsets else 2, dtype)
    op, is_any, factors = graph.op, None, None
    wide = ir.DataType["DOUBLE" if dtype == "float64" else "FLOAT"]  # halves lose what is added
    rows = op.Shape(weight, end=1)
    if has_offsets:
        offsets = graph.input("offsets", ir.DataType[index_dtype.upper()], ["begins"])
        bounds, size = op.Cast(offsets, to=INT64), op.Shape(indices)
        if not include_last_offset:
            bounds = op.Concat(bounds, size, axis=0)
    if is_weighted:
        shape = indices.shape.dims
        factors = op.Cast(graph.input("per_sample_weights", weight.dtype, shape), to=wide)
    if check:
        wrong = [op.Less(indices, 0), op.GreaterOrEqual(indices, rows)]
        if padding_idx is not None:
            wrong += wrong_padding(op, rows, padding_idx)
        if is_weighted:
            wrong.append(op.Not(op.Equal(op.Shape(factors), op.Shape(indices))))
        if has_offsets:
            wrong += wrong_bounds(op, bounds, size)
        zero = zero_or_error(op, wrong)
        indices = op.Add(indices, zero)
        bounds = op.Add(bounds, zero) if has_offsets else None
    if has_offsets:
        places, is_any = places_of(op, bounds, size)
        indices = op.Gather(op.Concat(indices, [0], axis=0), places)
        if is_weighted:
            factors = op.Gather(op.Concat(factors, op.CastLike([0.0], factors), axis=0), places)
    return finished(graph, reduced(op, weight, indices, factors, is_any, wide, mode, padding_idx))


def reduced(op, weight, indices, factors, is_any, wide, mode, padding_idx):
    """Reduce each row of a matrix of indices, without padding and where nothing is."""
    kept = op.GreaterOrEqual(indices, 0) if is_any is None else is_any
    if padding_idx is not None:
        padding = op.Add(op.Shape(weight, end=1), padding_idx) if padding_idx < 0 else padding_idx
        kept = op.And(kept, op.Not(op.Equal(indices, padding)))
    values = op.Cast(op.Gather(weight, indices), to=wide)
    if factors is not None:
        values = op.Mul(values, op.Unsqueeze(factors, [2]))
    zero, least, nan = (op.CastLike(number, values) for number in (0.0, -INFINITY, NAN))
    values = op.Where(op.Unsqueeze(kept, [2]), values, least if mode == "max" else zero)
    size = op.Unsqueeze(count(op, kept, [1]), [1])
    if mode == "max":  # ONNX Runtime's maximum leaves NaN out
        found = op.ReduceMax(values, [1], keepdims=0)
        found = op.Where(op.Greater(count(op, op.IsNaN(values), [1]), 0), nan, found)
    else:
        found = op.ReduceSum(values, [1], keepdims=0)
    if mode == "mean":
        found = op.Div(found, op.Cast(op.Max(size, 1), to=wide))
    return op.CastLike(op.Where(op.Greater(size, 0), found, zero), weight)


INFINITY, NAN = float("inf"), float("nan")


def wrong_padding(op, rows, padding_idx):
    """Say where a padding row is none."""
    if type(padding_idx) is not int:
        raise TypeError(f"padding_idx {padding_idx} is no row of the table")
    return [op.LessOrEqual(rows, padding_idx), op.Less(op.Add(rows, padding_idx), 0)]


def wrong_bounds(op, bounds, size):
    """Say where bags do not begin with 0, go back, or leave the indices."""
    first, last = op.Slice(bounds, [0], [1]), op.Slice(bounds, [-1], [END])
    steps = op.Sub(op.Slice(bounds, [1], [END]), op.Slice(bounds, [0], [-1]))
    wrong = [op.Less(steps, 0), op.Greater(last, size), op.Equal(op.Shape(bounds), 0)]
    return [*wrong, op.Not(op.Equal(first, 0))]


def zero_or_error(op, wrong):
    """Gather a zero, or fail where anything is wrong."""
    bad = op.Sum(*(op.Cast(count(op, each), to=ir.DataType.FLOAT) for each in wrong))
    return op.Gather(op.Constant(value_ints=[0]), op.Cast(op.Greater(bad, 0.0), to=INT64))


def places_of(op, bounds, size):
    """Return the places of each bag's indices, (bags, longest), and which of them are any."""
    begins, ends = op.Slice(bounds, [0], [-1]), op.Slice(bounds, [1], [END])
    longest = op.ReduceMax(op.Concat(op.Sub(ends, begins), [0], axis=0), keepdims=0)
    places = op.Add(op.Unsqueeze(begins, [1]), op.Range(0, longest, 1))
    is_any = op.Less(places, op.Unsqueeze(ends, [1]))
    return op.Where(is_any, places, size), is_any


def count(op, mask, axes=None):
    """Count what is true, over axes or all."""
    return op.ReduceSum(op.Cast(mask, to=INT64), axes, keepdims=0)


def one_hot(index_dtype="int64", rank=1, num_classes=-1):
    """Make a model that gives vectors with a 1 at each class value, a 64-bit integer."""
    if index_dtype != "int64":
        raise TypeError(f"class values are {index_dtype}, not int64")
    graph, indices = started(index_dtype, rank)
    op = graph.op
    wrong = [op.Less(indices, 0)]
    if num_classes == -1:
        wrong.append(op.Equal(op.Size(indices), 0))  # nothing to infer from
        num_classes = op.Add(op.ReduceMax(indices, keepdims=0), 1)
    elif type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    wrong.append(op.GreaterOrEqual(indices, num_classes))
    indices = op.Add(indices, zero_or_error(op, wrong))
    is_class = op.Equal(op.Unsqueeze(indices, [-1]), op.Range(0, num_classes, 1))
    return finished(graph, op.Cast(is_class, to=INT64))


def started(index_dtype, rank, dtype=None):
    """Return a builder, indices, of 64 bits from here on, and a table if it has a dtype."""
    if dtype not in (None, *FLOATS) or index_dtype not in ("int32", "int64"):
        raise TypeError(f"no lookup in a table of {dtype} by indices of {index_dtype}")
    graph = GraphBuilder(ir.Graph([], [], nodes=[], opset_imports={"": 20}, name="lookup"))
    axes = [f"axis_{number}" for number in range(rank)]
    indices = graph.input("indices", ir.DataType[index_dtype.upper()], axes)
    indices = graph.op.Cast(indices, to=INT64)
    if dtype is None:
        return graph, indices
    return graph, indices, graph.input("weight", ir.DataType[FLOATS[dtype]], ["rows", "columns"])


def finished(graph, output):
    """Return the bytes of a model with that output."""
    graph.add_output(output, "output")
    return ir.to_proto(ir.Model(graph.graph, ir_version=10)).SerializeToString()

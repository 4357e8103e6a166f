"""PyTorch's one-hot rows, as a graph by onnxscript: class values are 64-bit, and name a class."""

from onnxscript import GraphBuilder, ir

from .with_onnxscript import INT64, finished, zero_or_error


def one_hot(index_dtype="int64", rank=1, num_classes=-1):
    """Make a model that gives vectors with a 1 at each class value, a 64-bit integer."""
    if index_dtype != "int64":
        raise TypeError(f"class values are {index_dtype}, not int64")
    if type(num_classes) is not int or (num_classes != -1 and num_classes < 1):
        raise ValueError("there is no class")
    graph = GraphBuilder(ir.Graph([], [], nodes=[], opset_imports={"": 20}, name="one_hot"))
    op, axes = graph.op, [f"axis_{number}" for number in range(rank)]
    indices = graph.input("indices", INT64, axes)
    wrong = [op.Less(indices, 0)]
    if num_classes == -1:
        num_classes = op.Add(op.ReduceMax(indices, keepdims=0), 1)
        wrong.append(op.Less(num_classes, 1))  # of no values: there is nothing to infer from
    wrong.append(op.GreaterOrEqual(indices, num_classes))
    indices = op.Add(indices, zero_or_error(op, *wrong))
    is_class = op.Equal(op.Unsqueeze(indices, [-1]), op.Range(0, num_classes, 1))
    return finished(graph, op.Cast(is_class, to=INT64))

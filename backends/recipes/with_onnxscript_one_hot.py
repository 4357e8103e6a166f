"""PyTorch's one-hot rows, as a graph by onnxscript: class values are 64-bit, and name a class."""

from onnxscript import GraphBuilder, ir

from .with_onnxscript import INT64, zero_or_error


def one_hot(index_dtype=INT64, rank=1, num_classes=-1):
    """Make a model that gives vectors with a 1 at each class value, a 64-bit integer."""
    if index_dtype != INT64:
        raise TypeError(f"class values are {index_dtype}, not int64")
    if type(num_classes) is not int or (num_classes != -1 and num_classes < 1):
        raise ValueError("there is no class")
    op = GraphBuilder(ir.Graph([], [], nodes=[], opset_imports={"": 20}, name="one_hot")).op
    indices = op.builder.input("indices", INT64, [None] * rank)
    wrong = [op.Less(indices, 0)]
    if num_classes == -1:
        num_classes = op.Add(op.ReduceMax(indices, keepdims=0), 1)
        wrong.append(op.Less(num_classes, 1))  # of no values: there is nothing to infer from
    wrong.append(op.GreaterOrEqual(indices, num_classes))
    indices = op.Add(indices, zero_or_error(op, *wrong))
    is_class = op.Equal(op.Unsqueeze(indices, [-1]), op.Range(0, num_classes, 1))
    op.builder.add_output(op.Cast(is_class, to=INT64), "output")
    return ir.to_proto(ir.Model(op.builder.graph, ir_version=10))

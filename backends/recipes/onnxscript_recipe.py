"""`onnxruntime-graph-recipe`: the graphs of `with_onnxscript`, run by ONNX Runtime.

A graph has no gradients, and cannot change its caller's table, so that there is no `max_norm`. Bags
between offsets need memory for a matrix of all bags, each as long as the longest. Weights go with
mode sum, and a graph is made for each mode, dtype and padding row.
"""

from __future__ import annotations

from typing import Any

from onnx_ir.tensor_adapters import from_torch_dtype
from torch.nn import functional

from embcheck.backends.on_torch.inference import Exported
from embcheck.backends.recipes import with_onnxscript, with_onnxscript_one_hot
from embcheck.backends.recipes.onnx_recipe import OPTIONS, Functions, OnnxRecipe
from embcheck.conformance.contract.call import Operation


def on_cpu() -> OnnxRecipe:
    """Make the backend `onnxruntime-graph-recipe`."""
    functions: Functions = {
        Operation.EMBEDDING: with_onnxscript.embedding,
        Operation.EMBEDDING_BAG: with_onnxscript.embedding_bag,
        Operation.ONE_HOT: with_onnxscript_one_hot.one_hot,
    }
    return OnnxRecipe("onnxruntime-graph-recipe", functions, written, unchecked)


def written(exported: Exported, **more: Any) -> bytes:
    """Build the graph of a lookup from its dtypes, ranks and options."""
    examples = dict(zip(exported.names, exported.examples, strict=True))
    options = {n: value for n, value in exported.lookup.options.items() if n in OPTIONS}
    options["rank"] = examples["indices"].ndim
    options["index_dtype"] = from_torch_dtype(examples["indices"].dtype)
    graphs: Any = with_onnxscript
    one_hot: Any = with_onnxscript_one_hot.one_hot
    if exported.lookup.function is functional.one_hot:
        return bytes(one_hot(**options).SerializeToString())
    build = graphs.embedding
    if exported.lookup.function is functional.embedding_bag:
        build = graphs.embedding_bag
        options["is_weighted"] = "per_sample_weights" in examples
    model = build(from_torch_dtype(examples["weight"].dtype), **options, **more)
    return bytes(model.SerializeToString())


def unchecked(exported: Exported) -> bytes:
    """Build the graph of a lookup without its checks; the graph of one_hot keeps them."""
    return written(exported, check=False)

"""`onnxruntime-graph-recipe`: the graphs of `with_onnxscript`, run by ONNX Runtime.

A graph has no gradients, and cannot change its caller's table, so that there is no `max_norm`. Bags
between offsets need memory for a matrix of all bags, each as long as the longest. Weights go with
mode sum, and a graph is made for each mode, dtype and padding row.
"""

from __future__ import annotations

from typing import Any

from torch.nn import functional

from embcheck.backends.on_torch.inference import Exported
from embcheck.backends.recipes import with_onnxscript
from embcheck.backends.recipes.calls import OPERATIONS
from embcheck.backends.recipes.onnx_recipe import OPTIONS, OnnxRecipe


def on_cpu() -> OnnxRecipe:
    """Make the backend `onnxruntime-graph-recipe`."""
    name = "onnxruntime-graph-recipe"
    return OnnxRecipe(name, with_onnxscript, (written, unchecked), OPERATIONS)


def written(exported: Exported, **more: Any) -> bytes:
    """Write the graph of a lookup, of which only dtypes, ranks and options are read."""
    lookup, examples = exported.lookup, dict(zip(exported.names, exported.examples, strict=True))
    dtypes = {name: str(each.dtype).removeprefix("torch.") for name, each in examples.items()}
    rank = examples["indices"].ndim
    options = {name: value for name, value in lookup.options.items() if name in OPTIONS}
    graphs: Any = with_onnxscript
    if lookup.function is functional.one_hot:
        model: bytes = graphs.one_hot(dtypes["indices"], rank, **options)
    elif lookup.function is functional.embedding:
        table, indices = dtypes["weight"], dtypes["indices"]
        model = graphs.embedding(table, indices, rank, **options, **more)
    else:
        options |= {
            "has_offsets": "offsets" in examples,
            "is_weighted": "per_sample_weights" in examples,
        }
        model = graphs.embedding_bag(dtypes["weight"], dtypes["indices"], **options, **more)
    return model


def unchecked(exported: Exported) -> bytes:
    """Write it without its guards, which one-hot rows keep."""
    is_one_hot = exported.lookup.function is functional.one_hot
    return written(exported) if is_one_hot else written(exported, check=False)

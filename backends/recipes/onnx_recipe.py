"""`onnxruntime-recipe`: the recipe `with_onnx`, exported by dynamo and run by ONNX Runtime.

A graph has no gradients, and cannot change its caller's table, so that there is no `max_norm`. Bags
between offsets need memory for a matrix of all bags, each as long as the longest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.nn import functional

from embcheck.backends.graph_cache import Refusal
from embcheck.backends.on_onnx import runtime_dynamo
from embcheck.backends.on_onnx.exporters import dynamo
from embcheck.backends.on_onnx.sessions import OnnxRuntime
from embcheck.backends.on_torch.inference import Exported, Lookup
from embcheck.backends.recipes import with_onnx
from embcheck.backends.recipes.calls import WITHOUT_CHECKS
from embcheck.conformance.contract.backend import Capability, Provided, Provision, Unsupported
from embcheck.conformance.contract.call import Call, Operation

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    functional.embedding: with_onnx.embedding,
    functional.embedding_bag: with_onnx.embedding_bag,
}
OPERATIONS = (Operation.EMBEDDING, Operation.EMBEDDING_BAG)
OPTIONS = frozenset({"mode", "padding_idx", "include_last_offset"})


def recipe(exported: Exported, **more: Any) -> bytes | Refusal:
    """Export the recipe's function in place of PyTorch's."""
    lookup = exported.lookup
    options = {name: value for name, value in lookup.options.items() if name in OPTIONS}
    ours = Lookup(FUNCTIONS[lookup.function], {**options, **more}, lookup.names).eval()
    return dynamo(replace(exported, lookup=ours))


def unchecked(exported: Exported) -> bytes | Refusal:
    """Export it without its guards."""
    return recipe(exported, check=False)


SOURCES = (Path(with_onnx.__file__),)
"""What a graph is made of, beside PyTorch's exporter."""


class OnnxRecipe(OnnxRuntime):
    """ONNX Runtime, for what dynamo makes of the recipe."""

    def __init__(self) -> None:
        name = "onnxruntime-recipe"
        super().__init__(name, recipe, "", sources=SOURCES)
        self._others = {
            WITHOUT_CHECKS: OnnxRuntime(name, unchecked, "", sources=SOURCES),
            "as onnxruntime-dynamo  # negative ones count from the end": runtime_dynamo.on_cpu(),
        }
        operations = {
            operation: Provided(Provision.COMPOSED, f"recipes/with_onnx.py: {operation}")
            for operation in OPERATIONS
        }
        capabilities = frozenset(
            {
                Capability.PADDING_IDX,
                Capability.PER_SAMPLE_WEIGHTS,
                Capability.INCLUDE_LAST_OFFSET,
            }
        )
        self.info = replace(
            self.info,
            operations=operations,
            capabilities=capabilities,
            made_from=None,
            exporters=(*self.info.exporters, with_onnx.__name__),
        )

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Export the recipe or find its graph; raises Unsupported for what it does not take."""
        _expect_known(call)
        return super().prepare(call)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Any]]:
        """Return the recipe without its checks, and what PyTorch's own function is exported as."""
        _expect_known(call)
        return {name: other.prepare(call) for name, other in self._others.items()}

    def script(self, call: Call) -> str:
        """Raise Unsupported: a script would have to hold the recipe."""
        del call
        raise Unsupported("`embcheck recipe onnx` prints the recipe")


def _expect_known(call: Call) -> None:
    if call.operation not in OPERATIONS:
        raise Unsupported(f"the recipe has no {call.operation}")
    for name, value in call.options.items():
        if name not in OPTIONS and value is not None and value is not False:
            raise Unsupported(f"the recipe has no {name}")

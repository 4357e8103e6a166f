"""`onnxruntime-recipe`: the recipe `with_onnx`, exported by dynamo and run by ONNX Runtime.

A graph has no gradients, and cannot change its caller's table, so that there is no `max_norm`. Bags
between offsets need memory for a matrix of all bags, each as long as the longest.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.nn import functional

from embcheck.backends.on_onnx import runtime_dynamo
from embcheck.backends.on_onnx.exporters import dynamo
from embcheck.backends.on_onnx.graphs import Export
from embcheck.backends.on_onnx.sessions import OnnxRuntime
from embcheck.backends.on_torch.inference import Exported, Lookup
from embcheck.backends.recipes import with_onnx
from embcheck.backends.recipes.calls import WITHOUT_CHECKS
from embcheck.conformance.contract.backend import Capability, Provided, Provision, Unsupported
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.contract.export_cache import Refusal

OPTIONS = frozenset({"mode", "padding_idx", "include_last_offset", "num_classes"})
Functions = Mapping[Operation, Callable[..., Any]]
CAPABILITIES = frozenset(
    {Capability.PADDING_IDX, Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET}
)


class OnnxRecipe(OnnxRuntime):
    """ONNX Runtime, for the graphs of a recipe, with and without its checks."""

    def __init__(
        self,
        name: str,
        functions: Functions,
        checked: Export,
        unchecked: Export,
    ) -> None:
        files = {function.__module__: inspect.getfile(function) for function in functions.values()}
        sources = [Path(file) for file in files.values()]
        super().__init__(name, checked, "", sources=sources)
        self._others = {
            WITHOUT_CHECKS: OnnxRuntime(name, unchecked, "", sources=sources),
            "as onnxruntime-dynamo  # negative ones count from the end": runtime_dynamo.on_cpu(),
        }
        self.info = replace(
            self.info,
            operations={
                operation: Provided(
                    Provision.COMPOSED, f"recipes/{Path(files[each.__module__]).name}: {operation}"
                )
                for operation, each in functions.items()
            },
            capabilities=CAPABILITIES,
            made_from=None,
            exporters=(*self.info.exporters, *files),
        )

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Make the graph or find it; raise Unsupported for a call that the recipe does not take."""
        self._expect_known(call)
        return super().prepare(call)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Any]]:
        """Return the recipe without its checks, and the export of PyTorch's own function."""
        self._expect_known(call)
        return {name: other.prepare(call) for name, other in self._others.items()}

    def script(self, call: Call) -> str:
        """Raise Unsupported: a script would have to hold the recipe."""
        del call
        raise Unsupported("`embcheck recipe` prints the recipe")

    def _expect_known(self, call: Call) -> None:
        if call.operation not in self.info.operations:
            raise Unsupported(f"the recipe has no {call.operation}")
        if call.wants(Observation.PRODUCT):
            raise Unsupported("the recipe shows no product")
        for name, value in call.options.items():
            if name not in OPTIONS and value is not None and value is not False:
                raise Unsupported(f"the recipe has no {name}")


def on_cpu() -> OnnxRecipe:
    """Make the backend `onnxruntime-recipe`."""
    functions: Functions = {
        Operation.EMBEDDING: with_onnx.embedding,
        Operation.EMBEDDING_BAG: with_onnx.embedding_bag,
    }
    return OnnxRecipe("onnxruntime-recipe", functions, recipe, unchecked)


def recipe(exported: Exported, **more: Any) -> bytes | Refusal:
    """Export the recipe's function in place of PyTorch's."""
    lookup = exported.lookup
    is_bag = lookup.function is functional.embedding_bag
    ours = with_onnx.embedding_bag if is_bag else with_onnx.embedding
    options = {name: value for name, value in lookup.options.items() if name in OPTIONS}
    return dynamo(replace(exported, lookup=Lookup(ours, {**options, **more}, lookup.names).eval()))


def unchecked(exported: Exported) -> bytes | Refusal:
    """Export the recipe's function without its checks."""
    return recipe(exported, check=False)

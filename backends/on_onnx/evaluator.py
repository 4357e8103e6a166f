"""ONNX's evaluator in Python, `onnx.reference.ReferenceEvaluator`, on graphs from PyTorch.

https://onnx.ai/onnx/api/reference.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from embcheck.backends.on_onnx import script
from embcheck.backends.on_onnx.graphs import Export, graph_of
from embcheck.backends.on_torch.inference import INFERS, named, provided
from embcheck.conformance.contract.backend import BackendInfo, inputs_after
from embcheck.conformance.contract.call import Call

Answer = tuple[Any, Mapping[str, np.ndarray]]
"""The graph's outputs, and the arrays that the caller finds after the call."""


class OnnxReference:
    """ONNX's evaluator, on the graphs that one exporter makes of lookups."""

    def __init__(self, name: str, export: Export, made_from: str) -> None:
        self._export = export
        self.info = BackendInfo(
            id=name,
            library="onnx",
            exporters=("torch", "onnxscript"),
            version=onnx.__version__,
            operations=provided(script.spelling(export)),
            capabilities=INFERS,
            made_from=made_from,
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Export the lookup or find its graph, and return a thunk that evaluates it."""
        graph = graph_of(call, self._export)
        # Outside of the thunk, so that parsing the graph is not timed.
        evaluator = ReferenceEvaluator(graph.model)
        feeds = dict(zip(evaluator.input_names, graph.arrays, strict=True))
        return lambda: (evaluator.run(None, feeds), graph.found)

    def script(self, call: Call) -> str:
        """Write the export and the evaluation."""
        needed = ["from onnx.reference import ReferenceEvaluator"]
        return script.write(call, self._export, needed, script.EVALUATOR)

    def artefact_bytes(self, call: Call) -> int:
        """Return the size of a call's graph."""
        return len(graph_of(call, self._export).model)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Name the outputs."""
        outputs, found = answer
        return {**inputs_after(found), **named(outputs)}

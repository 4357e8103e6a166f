"""ONNX Runtime on what `quantize_dynamic` makes of a Gather, and of exported modules.

A plain lookup is a Gather. Bags, and lookups with other options, are modules of PyTorch that its
dynamo exporter makes a graph of, with the table as a constant: nothing else is quantised.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

from embcheck.backends.on_onnx import gathers, script
from embcheck.backends.on_onnx.exporters import dynamo
from embcheck.backends.on_onnx.graphs import graph_of
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "int8-table": {"weight_type": QuantType.QInt8},
    "uint8-table": {"weight_type": QuantType.QUInt8},
    "int8-row": {"weight_type": QuantType.QInt8, "per_channel": True},
}
_IMPORT = "from onnxruntime.quantization import QuantType, quantize_dynamic"
_QUANTISE = "quantize_dynamic(before, after, {arguments})"
_MODULES = {
    Operation.QUANTIZED_EMBEDDING: Operation.EMBEDDING_FROM_PRETRAINED,
    Operation.QUANTIZED_EMBEDDING_BAG: Operation.EMBEDDING_BAG_FROM_PRETRAINED,
}
_SEEN_OF_MODULES = {Observation.OUTPUT, Observation.INPUTS_AFTER}


class OnnxRuntimeInt8:
    """A graph of one Gather, or of a module, as `quantize_dynamic` rewrites it."""

    info = BackendInfo(
        id="onnxruntime-int8",
        library="onnxruntime",
        exporters=("torch", "onnxscript", "onnx", "onnxruntime.quantization"),
        version=onnxruntime.__version__,
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE,
                "onnxruntime.quantization.quantize_dynamic of a Gather, or of torch.onnx.export of "
                "torch.nn.Embedding.from_pretrained, dynamo=True",
            ),
            Operation.QUANTIZED_EMBEDDING_BAG: Provided(
                Provision.NATIVE,
                "onnxruntime.quantization.quantize_dynamic of torch.onnx.export of "
                "torch.nn.EmbeddingBag.from_pretrained, dynamo=True",
            ),
        },
        capabilities=frozenset(
            {
                Capability.PADDING_IDX,
                Capability.MAX_NORM,
                Capability.PER_SAMPLE_WEIGHTS,
                Capability.INCLUDE_LAST_OFFSET,
            }
        ),
        schemes=frozenset(_ARGUMENTS),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise a graph around the caller's table, and return a thunk that runs it."""
        if call.operation not in _MODULES:
            raise Unsupported(f"nothing is quantised in {call.operation}")
        return gathers.thunk(call, _quantise) if _is_gather(call) else _of_module(call)

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the graph or its export, its quantisation and its run."""
        given = _ARGUMENTS[call.option("scheme")]
        words = [f"weight_type=QuantType.{given['weight_type'].name}"]
        words += ["per_channel=True"] if given.get("per_channel") else []
        line = _QUANTISE.format(arguments=", ".join(words))
        if _is_gather(call):
            return gathers.script(call, [_IMPORT], line)
        run = script.SESSION.format(provider="CPUExecutionProvider")
        run = run.replace("InferenceSession(model", "InferenceSession(after")
        # The lines of the export make `program`; a quantiser reads and writes files.
        lines = f"{gathers.FILES}\nonnx.save(program.model_proto, before)\n{line}\n{run}"
        imports = ["import tempfile", "import onnx", "import onnxruntime", _IMPORT]
        return script.write(_module(call), dynamo, imports, lines)


def _quantise(source: Path, target: Path, call: Call) -> None:
    quantize_dynamic(source, target, **_ARGUMENTS[call.option("scheme")])


def _is_gather(call: Call) -> bool:
    # Only PyTorch's module has any other option.
    return call.operation is Operation.QUANTIZED_EMBEDDING and set(call.options) == {"scheme"}


def _module(call: Call) -> Call:
    """Return the call of the module that holds the floating-point table."""
    return replace(call.of_floats(), operation=_MODULES[call.operation])


def _of_module(call: Call) -> Callable[[], dict[str, Any]]:
    """Export a module of the caller's table, quantise the graph, and return a thunk of its run."""
    if not set(call.observe) <= _SEEN_OF_MODULES:
        raise Unsupported("the table of an exported module is not seen but through its output")
    graph = graph_of(_module(call), dynamo)
    model = gathers.quantised(onnx.load_from_string(graph.model), call, _quantise)
    session = gathers.session_of(model)
    feeds = dict(zip([node.name for node in session.get_inputs()], graph.arrays, strict=True))
    return lambda: {"output": session.run(None, feeds)[0], **inputs_after(call.inputs)}

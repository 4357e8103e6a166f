"""ONNX Runtime on a Gather whose table `quantize_dynamic` stored in 8 bits.

https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from embcheck.backends.composed.stored_table import LookUp, observe
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "int8-table": {"weight_type": QuantType.QInt8},
    "uint8-table": {"weight_type": QuantType.QUInt8},
    "int8-row": {"weight_type": QuantType.QInt8, "per_channel": True},
}
_WRITTEN = {Observation.OUTPUT, Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER}
_OPSET, _IR_VERSION = 20, 10
_SCRIPT = """import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

gather = helper.make_node("Gather", ["weight", "indices"], ["output"])
types = {{"indices": indices, "output": weight}}
ends = [
    helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), None)
    for name, array in types.items()
]
table = numpy_helper.from_array(weight, "weight")
graph = helper.make_graph([gather], "lookup", ends[:1], ends[1:], [table])
opset = [helper.make_opsetid("", {opset})]
onnx.save(helper.make_model(graph, opset_imports=opset, ir_version={ir}), "float.onnx")
quantize_dynamic("float.onnx", "quantized.onnx", {arguments})
session = onnxruntime.InferenceSession("quantized.onnx")
output = session.run(None, {{"indices": indices}})[0]
weight_after, indices_after = weight, indices"""


class OnnxRuntimeInt8:
    """A graph of one Gather, as `quantize_dynamic` rewrites it."""

    info = BackendInfo(
        id="onnxruntime-int8",
        library="onnxruntime",
        exporters=("onnx", "onnxruntime.quantization"),
        version=onnxruntime.__version__,
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE, "onnxruntime.quantization.quantize_dynamic of a Gather"
            )
        },
        schemes=frozenset(_ARGUMENTS),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise a graph around the caller's table, and return its run."""
        if call.operation not in self.info.operations:
            raise Unsupported("a Gather looks rows up, and does nothing else")
        model = _quantized(call, call.inputs["weight"])

        def has_codes_of(table: np.ndarray) -> bool:
            return _codes(model) == _codes(_quantized(call, table))

        looked_up = _lookup_in(_session(model))
        return lambda: observe(call, looked_up, has_codes_of, lambda: _lookup_in(_loaded(model)))

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Return the answer, which is arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the graph, its quantisation and its run."""
        if not set(call.observe) <= _WRITTEN:
            raise Unsupported("no script is written for this observation")
        given = _ARGUMENTS[call.option("scheme")]
        words = [f"weight_type=QuantType.{given['weight_type'].name}"]
        words += ["per_channel=True"] if given.get("per_channel") else []
        return _SCRIPT.format(opset=_OPSET, ir=_IR_VERSION, arguments=", ".join(words))


def _quantized(call: Call, table: np.ndarray) -> onnx.ModelProto:
    """Make the graph around a table, and quantise it."""
    given = {"indices": call.inputs["indices"], "output": table}
    ends = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), None)
        for name, array in given.items()
    ]
    gather = helper.make_node("Gather", ["weight", "indices"], ["output"])
    weight = numpy_helper.from_array(np.ascontiguousarray(table), "weight")
    graph = helper.make_graph([gather], "lookup", ends[:1], ends[1:], [weight])
    opset = [helper.make_opsetid("", _OPSET)]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("float.onnx", "quantized.onnx")]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION), paths[0])
        quantize_dynamic(*paths, **_ARGUMENTS[call.option("scheme")])
        return onnx.load(paths[1])


def _session(model: onnx.ModelProto | Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _lookup_in(session: onnxruntime.InferenceSession) -> LookUp:
    return lambda indices: np.asarray(session.run(None, {"indices": indices})[0])


def _codes(model: onnx.ModelProto) -> list[bytes]:
    arrays = map(numpy_helper.to_array, model.graph.initializer)
    return [array.tobytes() for array in arrays if array.ndim == 2]


def _loaded(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Save the graph with its table beside it, and load both."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved.onnx")
        onnx.save(model, path, save_as_external_data=True, location="table", size_threshold=0)
        return _session(path)

"""ONNX Runtime on what `quantize_static` makes of a Gather: DequantizeLinear around the table.

It stores the table as it stores activations, by `activation_type`. By row it stores one that is
named in `TensorQuantOverrides`; `per_channel` is for other operators.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from embcheck.backends.on_onnx import gathers
from embcheck.conformance.contract.backend import BackendInfo, Provided, Provision, Unsupported
from embcheck.conformance.contract.call import Call, Operation

# `per_channel` would be for weights of other operators: a Gather's table counts as an activation.
_BY_ROW = {"axis": 0, "quant_type": QuantType.QInt8, "symmetric": True}
_ARGUMENTS: Mapping[str, tuple[str, QuantType, dict[str, Any]]] = {
    "uint8-table": ("QuantType.QUInt8", QuantType.QUInt8, {}),
    # Without `ActivationSymmetric` the code of 0 would not be 0, as the scheme demands.
    "int8-table": ("QuantType.QInt8", QuantType.QInt8, {"ActivationSymmetric": True}),
    "int8-row": (
        "QuantType.QInt8",
        QuantType.QInt8,
        {"TensorQuantOverrides": {"weight": [_BY_ROW]}},
    ),
}
_IMPORT = (
    "from onnxruntime.quantization import "
    "CalibrationDataReader, QuantFormat, QuantType, quantize_static"
)
_SCRIPT = """

class Rows(CalibrationDataReader):
    def __init__(self):
        self.feeds = iter([{{"indices": np.arange(len(weight), dtype=indices.dtype)}}])

    def get_next(self):
        return next(self.feeds, None)


quantize_static(
    before,
    after,
    Rows(),
    quant_format=QuantFormat.QDQ,
    activation_type={type},
    weight_type={type},
    extra_options={options},
)"""


class OnnxRuntimeQdq:
    """A graph of one Gather, as `quantize_static` rewrites it."""

    info = BackendInfo(
        id="onnxruntime-qdq",
        library="onnxruntime",
        exporters=("onnx", "onnxruntime.quantization"),
        version=onnxruntime.__version__,
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE,
                "onnxruntime.quantization.quantize_static(quant_format=QDQ) of a Gather",
            )
        },
        schemes=frozenset(_ARGUMENTS),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise a graph around the caller's table, and return a thunk that runs it."""
        if call.operation not in self.info.operations:
            raise Unsupported("a Gather looks rows up, and does nothing else")
        return gathers.thunk(call, _quantise)

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the graph, its quantisation and its run."""
        spelled, _, options = _ARGUMENTS[call.option("scheme")]
        # The repr of an enum is no Python.
        written = repr(options).replace(repr(QuantType.QInt8), "QuantType.QInt8")
        lines = _SCRIPT.format(type=spelled, options=written)
        return gathers.script(call, [_IMPORT], lines)


class _Rows(CalibrationDataReader):  # type: ignore[misc]
    """Calibration data that looks up each row of the table once."""

    def __init__(self, call: Call) -> None:
        indices, rows = call.inputs["indices"], len(call.inputs["weight"])
        # Calibration only has to find the table's range, which looking up each row once shows.
        self._feeds = iter([{"indices": np.arange(rows, dtype=indices.dtype)}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def _quantise(source: Path, target: Path, call: Call) -> None:
    _, kind, options = _ARGUMENTS[call.option("scheme")]
    quantize_static(
        source,
        target,
        _Rows(call),
        quant_format=QuantFormat.QDQ,
        activation_type=kind,
        weight_type=kind,
        extra_options=options,
    )

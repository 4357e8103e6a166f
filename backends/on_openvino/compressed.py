"""OpenVINO's Gather, of a table that NNCF compressed to 8 or 4 bits by `nncf.compress_weights`.

https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/weight-compression.html
NNCF keeps scales in float16. It compresses the tables of Gather alone, not those of
EmbeddingBagOffsets and EmbeddingBagPacked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino

from embcheck.backends.composed.stored_table import LookUp, observe, require_written
from embcheck.backends.on_openvino import models
from embcheck.backends.on_openvino import opset as op
from embcheck.conformance.contract.backend import BackendInfo, Provided, Provision, Unsupported
from embcheck.conformance.contract.call import Call, Observation, Operation

# By default NNCF leaves embeddings in 8 bits where other layers get 4.
_OF_BLOCKS = {"group_size": 32, "all_layers": True}
_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "uint8-zero-row": {"mode": nncf.CompressWeightsMode.INT8_ASYM},
    "int8-signed-row": {"mode": nncf.CompressWeightsMode.INT8_SYM},
    "int4-signed-half-block32": {"mode": nncf.CompressWeightsMode.INT4_SYM, **_OF_BLOCKS},
    "uint4-zero-half-block32": {"mode": nncf.CompressWeightsMode.INT4_ASYM, **_OF_BLOCKS},
}
_NARROW = {openvino.Type.u8, openvino.Type.i8, openvino.Type.u4, openvino.Type.i4}
_SCRIPT = """import nncf
import openvino
import openvino.opset15 as op

given = op.parameter([-1] * indices.ndim, openvino.Type(indices.dtype), "indices")
model = openvino.Model([op.gather(op.constant(weight), given, np.int64(0))], [given], "lookup")
model = nncf.compress_weights(model, {arguments})
compiled = openvino.compile_model(model, "CPU", {config})
output = compiled([indices])[0]
weight_after, indices_after = weight, indices"""
_STORED = """
rows = np.arange(len(weight), dtype=indices.dtype).reshape(-1, *[1] * (indices.ndim - 1))
stored_weight = compiled([rows])[0].reshape(weight.shape)"""


class OpenVinoNncf:
    """A model of one Gather, its table compressed, on the CPU."""

    info = BackendInfo(
        id="openvino-nncf",
        library="openvino",
        exporters=("nncf",),
        # A build number follows the dash.
        version=openvino.__version__.split("-")[0],
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE, "nncf.compress_weights of opset16.gather(weight, indices, 0)"
            )
        },
        schemes=frozenset(_ARGUMENTS),
        survives_fork=True,
        settings={"CI": "true: its telemetry is off"},
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Compress a model around the caller's table, and return a thunk of its inference."""
        if call.operation is Operation.QUANTIZED_EMBEDDING_BAG:
            raise Unsupported("NNCF leaves the tables of OpenVINO's bags as they are")
        if call.operation is not Operation.QUANTIZED_EMBEDDING:
            raise Unsupported(f"nothing is compressed in {call.operation}")
        model = _compressed(call, call.inputs["weight"])
        # Without codes, the float table would answer in place of a stored one, and pass.
        if _codes(model) == []:
            raise Unsupported("NNCF leaves this table as it is")

        def has_codes_of(table: np.ndarray) -> bool:
            return _codes(model) == _codes(_compressed(call, table))

        looked_up = _lookup_in(model)
        return lambda: observe(call, looked_up, has_codes_of, lambda: _lookup_in(_loaded(model)))

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the model, its compression and its inference."""
        require_written(call)
        arguments = dict(_ARGUMENTS[call.option("scheme")])
        words = [f"mode=nncf.CompressWeightsMode.{arguments.pop('mode').name}"]
        words += [f"{name}={value}" for name, value in arguments.items()]
        lines = _SCRIPT.format(arguments=", ".join(words), config=models.CONFIG)
        return lines + (_STORED if call.wants(Observation.STORED_WEIGHT) else "")


def _compressed(call: Call, table: np.ndarray) -> Any:
    """Make the model around a table, and compress it."""
    indices = call.inputs["indices"]
    sizes = openvino.PartialShape([-1] * indices.ndim)
    given = op.parameter(sizes, models.element_type(indices.dtype), "indices")
    rows = op.gather(op.constant(table), given, np.int64(0))
    model = openvino.Model([rows], [given], "lookup")
    return nncf.compress_weights(model, **_ARGUMENTS[call.option("scheme")])


def _codes(model: Any) -> list[bytes]:
    """Return the constants of 8 and 4 bits: the codes and the zero points."""
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() == "Constant"]
    return [node.data.tobytes() for node in nodes if node.get_element_type() in _NARROW]


def _lookup_in(model: Any) -> LookUp:
    compiled = models.compiled(model)

    rank = len(compiled.inputs[0].get_partial_shape())

    def look_up(indices: np.ndarray) -> np.ndarray:
        """Look up indices of the model's rank, or a 1-D list of them."""
        if indices.ndim == rank:
            return np.array(compiled([indices])[0])
        # The model was compiled for the rank of the call's indices, so a list gets that rank.
        rows = compiled([indices.reshape(-1, *[1] * (rank - 1))])[0]
        return np.array(rows.reshape(len(indices), -1))

    return look_up


def _loaded(model: Any) -> Any:
    """Save the model, and read it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved.xml")
        openvino.save_model(model, path)
        return openvino.Core().read_model(path)

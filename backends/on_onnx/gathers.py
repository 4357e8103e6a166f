"""Graphs of one Gather around the caller's table, rewritten by ONNX Runtime's quantisers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from embcheck.backends.composed.stored_table import LookUp, observe, require_written
from embcheck.conformance.contract.call import Call, Observation

Quantise = Callable[[Path, Path, Call], None]
"""Reads the graph of a call from one file, and writes it to another with a quantised table."""

_OPSET, _IR_VERSION = 21, 10
"""The first versions that have tensors of 4 bits."""
FILES = """\
folder = tempfile.mkdtemp()
before, after = f"{folder}/float.onnx", f"{folder}/quantized.onnx\""""
"""Where a script keeps the graph, floating and quantised."""
_SCRIPT = """{imports}

gather = helper.make_node("Gather", ["weight", "indices"], ["output"], "gather")
types = {{"indices": indices, "output": weight}}
ends = [
    helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), None)
    for name, array in types.items()
]
table = numpy_helper.from_array(weight, "weight")
graph = helper.make_graph([gather], "lookup", ends[:1], ends[1:], [table])
opset = [helper.make_opsetid("", {opset})]
{files}
onnx.save(helper.make_model(graph, opset_imports=opset, ir_version={ir}), before)
{quantise}
session = onnxruntime.InferenceSession(after)
output = session.run(None, {{"indices": indices}})[0]
weight_after, indices_after = weight, indices"""
_STORED = """
rows = np.arange(len(weight), dtype=indices.dtype)
stored_weight = session.run(None, {"indices": rows})[0]"""


def thunk(call: Call, quantise: Quantise) -> Callable[[], dict[str, Any]]:
    """Quantise the table of a call, and return a thunk that looks up and observes the table."""
    weight = call.inputs["weight"]
    model = _stored(call, weight, quantise)

    def has_codes_of(table: np.ndarray) -> bool:
        return _codes(model, table) == _codes(_stored(call, table, quantise), table)

    looked_up = _lookup_in(session_of(model))
    return lambda: observe(call, looked_up, has_codes_of, lambda: _lookup_in(_loaded(model)))


def script(call: Call, imports: Sequence[str], quantise: str) -> str:
    """Write a call; `quantise` is lines that make the file `after` from the file `before`."""
    require_written(call)
    needed = ["import tempfile", "import onnx", "import onnxruntime"]
    needed += ["from onnx import helper, numpy_helper", *imports]
    given = {"imports": "\n".join(needed), "files": FILES, "quantise": quantise}
    lines = _SCRIPT.format(opset=_OPSET, ir=_IR_VERSION, **given)
    return lines + (_STORED if call.wants(Observation.STORED_WEIGHT) else "")


def session_of(model: onnx.ModelProto | Path) -> onnxruntime.InferenceSession:
    """Make a session from a graph, or from a file."""
    options = onnxruntime.SessionOptions()
    # As in `sessions`: otherwise idle threads would spin.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def quantised(model: onnx.ModelProto, call: Call, quantise: Quantise) -> onnx.ModelProto:
    """Return the quantised graph; the quantiser works from file to file."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("float.onnx", "quantized.onnx")]
        onnx.save(model, paths[0])
        quantise(paths[0], paths[1], call)
        return onnx.load(paths[1])


def _stored(call: Call, table: np.ndarray, quantise: Quantise) -> onnx.ModelProto:
    """Make the graph around a table, and quantise it."""
    given = {"indices": call.inputs["indices"], "output": table}
    ends = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), None)
        for name, array in given.items()
    ]
    gather = helper.make_node("Gather", ["weight", "indices"], ["output"], "gather")
    # An ONNX tensor holds the bytes of an array in C order.
    weight = numpy_helper.from_array(np.ascontiguousarray(table), "weight")
    graph = helper.make_graph([gather], "lookup", ends[:1], ends[1:], [weight])
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
    return quantised(model, call, quantise)


def _lookup_in(session: onnxruntime.InferenceSession) -> LookUp:
    return lambda indices: np.asarray(session.run(None, {"indices": indices})[0])


def _codes(model: onnx.ModelProto, table: np.ndarray) -> list[bytes]:
    arrays = map(numpy_helper.to_array, model.graph.initializer)
    # Quantisers choose any names, so codes are found by the table's shape, and by a dtype that is
    # not the table's.
    return [a.tobytes() for a in arrays if a.shape == table.shape and a.dtype != table.dtype]


def _loaded(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Save the graph with its table beside it, and load both."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved.onnx")
        # ONNX saves large tables as external data, and small ones, too, with `size_threshold=0`.
        onnx.save(model, path, save_as_external_data=True, location="table", size_threshold=0)
        return session_of(path)

"""ONNX Runtime's Python API, `onnxruntime.InferenceSession`, on graphs that PyTorch exported.

https://onnxruntime.ai/docs/api/python/api_summary.html
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime import OrtValue

from embcheck.backends.on_onnx import script
from embcheck.backends.on_onnx.graphs import Export, graph_of
from embcheck.backends.on_torch.inference import INFERS, named, provided
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Unavailable,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.help import helps

Answer = tuple[list[Any], Mapping[str, np.ndarray]]
"""The graph's outputs, and the arrays that the caller finds after the call."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntime:
    """ONNX Runtime on one device, on the graphs that one exporter makes of lookups."""

    def __init__(
        self,
        name: str,
        export: Export,
        made_from: str,
        device: str = "cpu",
        *,
        sources: Sequence[Path] = (),
    ) -> None:
        """Make the backend; a change of a file in `sources` makes its cached graphs anew."""
        if _PROVIDERS[device] not in onnxruntime.get_available_providers():
            raise Unavailable(f"onnxruntime {onnxruntime.__version__} has no {_PROVIDERS[device]}")
        self._export, self._sources = export, sources
        self.info = BackendInfo(
            id=name,
            library="onnxruntime",
            exporters=("torch", "onnxscript"),
            version=onnxruntime.__version__,
            device=device,
            operations=provided(script.spelling(export)),
            capabilities=INFERS,
            made_from=made_from,
            survives_fork=device == "cpu",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Export the lookup or find its graph, and bind the call's arrays to its inputs."""
        graph = graph_of(call, self._export, self._sources)
        options = onnxruntime.SessionOptions()
        # Otherwise its threads would spin between calls, on the cores of other backends.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            graph.model, options, providers=[_PROVIDERS[self.info.device]]
        )
        # By `OrtValue`, since `InferenceSession.run` takes no arrays with dtypes of ml_dtypes.
        values = map(_to_ort_value, graph.arrays)
        feeds = dict(zip([node.name for node in session.get_inputs()], values, strict=True))
        return lambda: (session.run_with_ort_values(None, feeds), graph.found)

    def script(self, call: Call) -> str:
        """Write the export, the session and its run."""
        # Dtypes of ml_dtypes, such as bfloat16, are not built into NumPy.
        if any(array.dtype.isbuiltin != 1 for array in call.inputs.values()):
            raise Unsupported("InferenceSession.run takes NumPy's own dtypes only")
        run = script.SESSION.format(provider=_PROVIDERS[self.info.device])
        return script.write(call, self._export, ["import onnxruntime"], run)

    def artefact_bytes(self, call: Call) -> int:
        """Return the size of a call's graph."""
        return len(graph_of(call, self._export, self._sources).model)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the outputs out of the session's memory."""
        outputs, found = answer
        return {**inputs_after(found), **named([_to_numpy(value) for value in outputs])}


def _to_ort_value(array: np.ndarray) -> Any:
    if array.dtype.isbuiltin == 1:
        return OrtValue.ortvalue_from_numpy(array)
    # OrtValue takes these dtypes only from contiguous memory.
    if not array.flags.c_contiguous:
        helps("copies arrays of bfloat16 and the like to contiguous memory")
    dtype = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return OrtValue.ortvalue_from_numpy_with_onnx_type(np.asarray(array, order="C"), dtype)


def _to_numpy(value: Any) -> np.ndarray:
    """Copy a tensor's bytes, since `OrtValue.numpy` does not support bfloat16."""
    dtype, shape = onnx.helper.tensor_dtype_to_np_dtype(value.element_type()), value.shape()
    # Not by tensor_size_in_bytes, which ONNX Runtime 1.20 lacks.
    memory = ctypes.string_at(value.data_ptr(), math.prod(shape) * dtype.itemsize)
    return np.frombuffer(memory, dtype).reshape(shape)

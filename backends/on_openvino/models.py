"""OpenVINO's Python API: models compiled for the CPU, their inputs and outputs.

Floating-point arithmetic keeps single precision, by `INFERENCE_PRECISION_HINT=f32`. By default
OpenVINO lowers the precision on some processors:
https://docs.openvino.ai/2026/openvino-workflow/running-inference/optimize-inference/precision-control.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import openvino

from embcheck.conformance.contract.backend import inputs_after
from embcheck.conformance.contract.call import Call

Answer = tuple[Any, Mapping[str, np.ndarray]]
"""The outputs by port, and the arrays that the caller finds after the call."""

CONFIG = {"INFERENCE_PRECISION_HINT": "f32"}

_FOREIGN = {
    "bfloat16": openvino.Type.bf16,
    "float8_e4m3fn": openvino.Type.f8e4m3,
    "float8_e5m2": openvino.Type.f8e5m2,
}
"""The types that NumPy does not have; their arrays are passed as bits."""


def element_type(dtype: np.dtype) -> Any:
    """Return OpenVINO's type of a dtype; raise OpenVINO's error if it has none."""
    return _FOREIGN.get(dtype.name) or openvino.Type(dtype)


def compiled(model: Any) -> Any:
    """Compile a model for the CPU."""
    return openvino.compile_model(model, "CPU", CONFIG)


def thunk(
    compiled_model: Any, arrays: list[np.ndarray], found: Mapping[str, np.ndarray]
) -> Callable[[], Answer]:
    """Return a thunk of the inference, which reads the caller's own memory and blocks."""
    given = [_given(array) for array in arrays]
    return lambda: (compiled_model(given), found)


def to_numpy(answer: Answer) -> Mapping[str, np.ndarray]:
    """Name the outputs, and view those as arrays of ml_dtypes that NumPy has no type for."""
    outputs, found = answer
    arrays = [_read(port.get_element_type(), array) for port, array in outputs.items()]
    return {**inputs_after(found), **dict(zip(("output", "product"), arrays, strict=False))}


def needs_bits(call: Call) -> bool:
    """Return whether an array of the call has a type that NumPy does not have."""
    return any(array.dtype.name in _FOREIGN for array in call.inputs.values())


def _given(array: np.ndarray) -> Any:
    if array.dtype.name not in _FOREIGN:
        return array
    # An OpenVINO tensor uses an array's memory, which must be contiguous.
    bits = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    return openvino.Tensor(bits, list(array.shape), _FOREIGN[array.dtype.name])


def _read(kind: Any, array: np.ndarray) -> np.ndarray:
    # OpenVINO gives an output of such a type as integers of the same width.
    names = [name for name, foreign in _FOREIGN.items() if foreign == kind]
    return array.view(getattr(ml_dtypes, names[0])) if names else array

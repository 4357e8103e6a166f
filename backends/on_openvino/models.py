"""OpenVINO's Python API: models compiled for the CPU, and what goes in and comes out.

Floating arithmetic keeps single precision, `INFERENCE_PRECISION_HINT=f32`, which OpenVINO lowers on
some processors otherwise:
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
"""The types that NumPy does not have: arrays travel as bits."""


def element_type(dtype: np.dtype) -> Any:
    """Return OpenVINO's type; raises what OpenVINO raises where it has none."""
    return _FOREIGN.get(dtype.name) or openvino.Type(dtype)


def compiled(model: Any) -> Any:
    """Compile a model for the CPU."""
    return openvino.compile_model(model, "CPU", CONFIG)


def thunk(
    compiled_model: Any, arrays: list[np.ndarray], found: Mapping[str, np.ndarray]
) -> Callable[[], Answer]:
    """Return the inference on the caller's own memory, which blocks."""
    given = [_given(array) for array in arrays]
    return lambda: (compiled_model(given), found)


def to_numpy(answer: Answer) -> Mapping[str, np.ndarray]:
    """Name the outputs, and read the bits of those that NumPy has no type for."""
    outputs, found = answer
    arrays = [_read(port.get_element_type(), array) for port, array in outputs.items()]
    return {**inputs_after(found), **dict(zip(("output", "product"), arrays, strict=False))}


def needs_bits(call: Call) -> bool:
    """Whether an array of the call has a type that NumPy does not have."""
    return any(array.dtype.name in _FOREIGN for array in call.inputs.values())


def _given(array: np.ndarray) -> Any:
    if array.dtype.name not in _FOREIGN:
        return array
    # A tensor of OpenVINO is on an array's memory, which must be in one piece.
    bits = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    return openvino.Tensor(bits, list(array.shape), _FOREIGN[array.dtype.name])


def _read(kind: Any, array: np.ndarray) -> np.ndarray:
    # OpenVINO gives such an output as whole numbers of the same width.
    names = [name for name, foreign in _FOREIGN.items() if foreign == kind]
    return array.view(getattr(ml_dtypes, names[0])) if names else array

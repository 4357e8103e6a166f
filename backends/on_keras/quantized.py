"""Keras's layer `Embedding`, quantised by its method `quantize("int8")`, on NumPy.

https://keras.io/api/quantization/
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "numpy"

import keras

from embcheck.backends.composed.stored_table import LookUp, observe
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_SCRIPT = """import os

os.environ["KERAS_BACKEND"] = "numpy"
import keras
import numpy as np

layer = keras.layers.Embedding(*weight.shape, weights=weight, dtype=weight.dtype.name)
layer.quantize("int8")
output = keras.ops.convert_to_numpy(layer(indices))
weight_after, indices_after = weight, indices"""
_MODES = {"int8-row": "int8"}
_WRITTEN = {Observation.OUTPUT, Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER}


class KerasInt8:
    """A layer around the caller's table, quantised."""

    info = BackendInfo(
        id="keras-numpy-int8",
        library="keras",
        modules=("keras", "numpy"),
        version=keras.__version__,
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE, 'keras.layers.Embedding.quantize("int8")'
            )
        },
        schemes=frozenset(_MODES),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise a layer, and return its call with what is seen of its table."""
        if call.operation not in self.info.operations:
            raise Unsupported("Keras has no quantised layer of bags")
        mode = _MODES[call.option("scheme")]
        layer = _quantized(call.inputs["weight"], mode)

        def has_codes_of(table: np.ndarray) -> bool:
            return np.array_equal(_codes(layer), _codes(_quantized(table, mode)))

        looked_up = _lookup_in(layer)
        return lambda: observe(call, looked_up, has_codes_of, lambda: _lookup_in(_loaded(layer)))

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Return the answer, which is arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the layer, its quantisation and its call."""
        if not set(call.observe) <= _WRITTEN:
            raise Unsupported("no script is written for this observation")
        return _SCRIPT


def _quantized(table: np.ndarray, mode: str) -> Any:
    layer = keras.layers.Embedding(*table.shape, weights=table, dtype=table.dtype.name)
    layer.quantize(mode)
    return layer


def _lookup_in(layer: Any) -> LookUp:
    return lambda indices: np.asarray(keras.ops.convert_to_numpy(layer(indices)))


def _codes(layer: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(layer.embeddings))


def _loaded(layer: Any) -> Any:
    """Save a model of the layer alone, and load it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved.keras")
        keras.Sequential([keras.Input((), dtype="int64"), layer]).save(path)
        return keras.models.load_model(path)

"""Keras's layer `Embedding`, quantised by its method `quantize`, on NumPy.

Two backends differ in the mode: `int8`, and `int4`, by row or in blocks of 32. By default, `int4`
has blocks of 128, and does the same as with 32.
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

from embcheck.backends.composed.stored_table import LookUp, observe, require_written
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
layer.quantize({given})
output = keras.ops.convert_to_numpy(layer(indices))
{stored}weight_after, indices_after = weight, indices"""
_STORED = "stored_weight = keras.ops.convert_to_numpy(layer(np.arange(len(weight))))\n"
_GIVEN = {
    "int8-row": '"int8"',
    "int4-row": "config=keras.quantizers.Int4QuantizationConfig(block_size=None)",
    "uint4-zero-block32": "config=keras.quantizers.Int4QuantizationConfig(block_size=32)",
}
"""The arguments of `quantize` by scheme, as code."""


class KerasQuantized:
    """A layer around the caller's table, quantised."""

    def __init__(self, name: str, schemes: tuple[str, ...]) -> None:
        spelled = " or ".join(f"quantize({_GIVEN[scheme]})" for scheme in schemes)
        self.info = BackendInfo(
            id=name,
            library="keras",
            modules=("keras", "numpy"),
            version=keras.__version__,
            operations={
                Operation.QUANTIZED_EMBEDDING: Provided(
                    Provision.NATIVE, f"keras.layers.Embedding.{spelled}"
                )
            },
            schemes=frozenset(schemes),
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise a layer, and return a thunk that looks up and observes its table."""
        if call.operation not in self.info.operations:
            raise Unsupported("Keras has no quantised layer of bags")
        scheme = call.option("scheme")
        layer = _quantized(call.inputs["weight"], scheme)

        def has_codes_of(table: np.ndarray) -> bool:
            return np.array_equal(_codes(layer), _codes(_quantized(table, scheme)))

        looked_up = _lookup_in(layer)
        return lambda: observe(call, looked_up, has_codes_of, lambda: _lookup_in(_loaded(layer)))

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the layer, its quantisation and its call."""
        require_written(call)
        stored = _STORED if call.wants(Observation.STORED_WEIGHT) else ""
        return _SCRIPT.format(given=_GIVEN[call.option("scheme")], stored=stored)


def _quantized(table: np.ndarray, scheme: str) -> Any:
    # With the table's dtype, since Keras would make the layer float32.
    layer = keras.layers.Embedding(*table.shape, weights=table, dtype=table.dtype.name)
    if scheme == "int8-row":
        layer.quantize("int8")
    else:
        block = 32 if scheme == "uint4-zero-block32" else None
        layer.quantize(config=keras.quantizers.Int4QuantizationConfig(block_size=block))
    return layer


def _lookup_in(layer: Any) -> LookUp:
    return lambda indices: np.asarray(keras.ops.convert_to_numpy(layer(indices)))


def _codes(layer: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(layer.embeddings))


def _loaded(layer: Any) -> Any:
    """Save a model of the layer alone, and load it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved.keras")
        # Only models can be saved. Without a dtype, the input of a model is float32.
        keras.Sequential([keras.Input((), dtype="int64"), layer]).save(path)
        return keras.models.load_model(path)


def in_8_bits() -> KerasQuantized:
    """Make the backend `keras-numpy-int8`."""
    return KerasQuantized("keras-numpy-int8", ("int8-row",))


def in_4_bits() -> KerasQuantized:
    """Make the backend `keras-numpy-int4`."""
    return KerasQuantized("keras-numpy-int4", ("int4-row", "uint4-zero-block32"))

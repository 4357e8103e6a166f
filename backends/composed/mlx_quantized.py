"""MLX's layer `nn.Embedding`, quantised by `nn.quantize`, on the CPU.

What is looked up in is the `nn.QuantizedEmbedding` that it makes. A width must be a multiple of the
group's 32. MLX is lazy, so that every call ends where its answer comes to NumPy.
https://ml-explore.github.io/mlx/build/html/python/_autosummary/mlx.core.quantize.html
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

from embcheck.backends.composed.mlx_lookups import to_array
from embcheck.backends.composed.stored_table import LookUp, observe, require_written
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_OPTIONS: dict[str, dict[str, Any]] = {
    "uint4-block32": {"group_size": 32, "bits": 4},
    "uint8-block32": {"group_size": 32, "bits": 8},
    "mxfp4-block32": {"group_size": 32, "bits": 4, "mode": "mxfp4"},
    "mxfp8-block32": {"group_size": 32, "bits": 8, "mode": "mxfp8"},
}
_IN_SINGLE = "table(indices).astype(mx.float32)"
_SCRIPT = """import ml_dtypes  # noqa: F401
import mlx.core as mx
from mlx import nn

layer = nn.Embedding(*weight.shape)
layer.load_weights([("weight", mx.array(weight))])
model = nn.Sequential(layer)
nn.quantize(model, {options})
table = model.layers[0]


def home(array):
    if array.dtype == mx.bfloat16:
        return np.array(array.view(mx.uint16)).view(ml_dtypes.bfloat16)
    return np.array(array)


output = home(table(mx.array(indices)))
{stored}weight_after, indices_after = weight, indices"""
_STORED = "stored_weight = home(table(mx.arange(len(weight))))\n"


class MlxQuantized:
    """A layer around the caller's table, quantised."""

    def __init__(self) -> None:
        self.info = BackendInfo(
            id="mlx-quantized",
            library="mlx",
            version=version("mlx"),
            device=str(mx.default_device().type).rpartition(".")[2],
            operations={
                Operation.QUANTIZED_EMBEDDING: Provided(
                    Provision.NATIVE, "mlx.nn.quantize(nn.Sequential(nn.Embedding(...)), 32, bits)"
                )
            },
            schemes=frozenset(_OPTIONS),
            fresh_worker_after_bad_index=True,
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise a layer, and return a thunk that looks up and observes its table."""
        return self._thunk(call, lambda rows: rows)

    def spellings(self, call: Call) -> dict[str, Callable[[], dict[str, Any]]]:
        """Return the lookup with its rows cast to float32."""
        return {_IN_SINGLE: self._thunk(call, lambda rows: rows.astype(mx.float32))}

    def _thunk(
        self, call: Call, given: Callable[[mx.array], mx.array]
    ) -> Callable[[], dict[str, Any]]:
        if call.operation not in self.info.operations:
            raise Unsupported("MLX has no quantised layer of bags")
        options = _OPTIONS[call.option("scheme")]
        model = _quantized(call.inputs["weight"], options)

        def lookup_in(model: nn.Sequential) -> LookUp:
            return lambda indices: to_array(given(model.layers[0](mx.array(indices))))

        def has_codes_of(table: np.ndarray) -> bool:
            return np.array_equal(_codes(model), _codes(_quantized(table, options)))

        look_up, shape = lookup_in(model), call.inputs["weight"].shape
        return lambda: observe(
            call, look_up, has_codes_of, lambda: lookup_in(_loaded(model, shape, options))
        )

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the layer, its quantisation and its call."""
        require_written(call)
        options = _OPTIONS[call.option("scheme")]
        return _SCRIPT.format(
            options=", ".join(f"{name}={value!r}" for name, value in options.items()),
            stored=_STORED if call.wants(Observation.STORED_WEIGHT) else "",
        )


def _quantized(table: np.ndarray, options: Mapping[str, Any]) -> nn.Sequential:
    layer = nn.Embedding(*table.shape)
    layer.load_weights([("weight", mx.array(table))])
    # `nn.quantize` replaces layers inside a module: a layer alone would stay as it is.
    model = nn.Sequential(layer)
    nn.quantize(model, **options)
    return model


def _codes(model: nn.Sequential) -> np.ndarray:
    return np.array(model.layers[0].weight)


def _loaded(
    model: nn.Sequential, shape: tuple[int, ...], options: Mapping[str, Any]
) -> nn.Sequential:
    """Save the model's weights, and load them into another model, made from zeros."""
    other = _quantized(np.zeros(shape, np.float32), options)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "saved.safetensors"))
        model.save_weights(path)
        other.load_weights(path)
        # By itself MLX would read the file when the weights are needed, after the folder is gone.
        mx.eval(other.parameters())
    return other

"""The modules of embeddings that bitsandbytes has, which quantise when they are moved to a device.

https://huggingface.co/docs/bitsandbytes/main/en/reference/nn/embeddings
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import bitsandbytes
import numpy as np
import torch

from embcheck.backends.composed.stored_table import require_written
from embcheck.backends.on_torch import stored
from embcheck.backends.on_torch.names import arrays_of, to_tensor
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_NN: Any = bitsandbytes.nn
_MODULES = {
    "int8-row": "Embedding8bit",
    "nf4-block64": "EmbeddingNF4",
    "fp4-block64": "EmbeddingFP4",
}
_WRITTEN = {Observation.OUTPUT, Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER}
_WHOLE = "torch.save(module)"
"""The spelling that saves the whole module; the usual way is its state_dict."""
_SCRIPT = """import bitsandbytes
import torch

{inputs}
module = bitsandbytes.nn.{module}(*weight.shape, dtype=weight.dtype)
module.load_state_dict({{"weight": weight}})
module = module.to("cpu")
output = module(indices).numpy()
{after}"""


class BitsAndBytes:
    """A module that was given the caller's table, and moved to the CPU."""

    info = BackendInfo(
        id="bitsandbytes",
        library="bitsandbytes",
        modules=("bitsandbytes", "torch"),
        version=bitsandbytes.__version__,
        **processor(),
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE, "bitsandbytes.nn.Embedding8bit, EmbeddingNF4, EmbeddingFP4"
            )
        },
        schemes=frozenset(_MODULES),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise the module, and return a thunk that looks up and observes its table."""
        return self._prepare(call, _loaded)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], dict[str, Any]]]:
        """Return the call with the module saved as a whole, if the call saves the module."""
        if not call.wants(Observation.SAME_WHEN_LOADED):
            return {}
        return {_WHOLE: self._prepare(call, _loaded_as_a_whole)}

    def _prepare(
        self, call: Call, loaded: Callable[[Call, Any], Any]
    ) -> Callable[[], dict[str, Any]]:
        if call.operation not in self.info.operations:
            raise Unsupported("bitsandbytes has no module of bags")
        stored.expect_seen(call)
        tensors: dict[str, Any] = {name: to_tensor(array) for name, array in call.inputs.items()}
        module, indices = _quantized(call, tensors["weight"]), tensors["indices"]

        def has_codes_of(table: torch.Tensor) -> bool:
            return torch.equal(_codes(call, module), _codes(call, _quantized(call, table)))

        return stored.thunk(
            call,
            tensors,
            look_up=lambda: module(indices),
            # The modules have no method that dequantises the table, so all rows are looked up.
            stored=lambda: module(torch.arange(len(tensors["weight"]))),
            has_codes_of=has_codes_of,
            loaded=lambda: loaded(call, module)(indices),
        )

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Convert the tensors to NumPy."""
        return arrays_of(answer)

    def script(self, call: Call) -> str:
        """Write the module, its quantisation and its call."""
        require_written(call, _WRITTEN)
        return _SCRIPT.format(
            **stored.written_tensors(call), module=_MODULES[call.option("scheme")]
        )


def _quantized(call: Call, weight: torch.Tensor) -> Any:
    """Give a module the table, and move it to a device, which quantises it."""
    make = getattr(_NN, _MODULES[call.option("scheme")])
    module = make(*weight.shape, dtype=weight.dtype)
    # Before the move: once on a device, the weight is codes.
    module.load_state_dict({"weight": weight})
    return module.to("cpu")


def _codes(call: Call, module: Any) -> torch.Tensor:
    """Return the codes, with FP4's two codes of 0 made equal."""
    codes: torch.Tensor = module.weight.data
    if call.option("scheme") != "fp4-block64":
        return codes
    halves = torch.stack([codes >> 4, codes & 15])
    # FP4 also has a code for -0; either code may stand for 0.
    return torch.where(halves == 8, 0, halves)


def _loaded(call: Call, module: Any) -> Any:
    """Save the module's state, and load it into another."""
    # A state of codes is loaded into a module that has codes already.
    other = _quantized(call, torch.zeros(call.inputs["weight"].shape))
    other.load_state_dict(stored.reloaded(module.state_dict()))
    return other


def _loaded_as_a_whole(_: Call, module: Any) -> Any:
    """Save the module itself, and load it."""
    return stored.reloaded(module, weights_only=False)

"""The modules of embeddings that bitsandbytes has, which quantise when they are moved to a device.

https://huggingface.co/docs/bitsandbytes/main/en/reference/nn/embeddings
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import bitsandbytes
import numpy as np
import torch

from embcheck.backends.on_torch.names import arrays_of, to_tensor
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_NN: Any = bitsandbytes.nn
_MODULES = {
    "int8-row": "Embedding8bit",
    "nf4-block64": "EmbeddingNF4",
    "fp4-block64": "EmbeddingFP4",
}
_WRITTEN = {Observation.OUTPUT, Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER}
_SEEN = {
    *_WRITTEN,
    Observation.STORED_WEIGHT,
    Observation.SAME_CODES_AGAIN,
    Observation.SAME_WHEN_LOADED,
}
_WHOLE = "torch.save(module)"
"""The other way to save a module, as a whole; its state_dict is the usual one."""
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
        """Quantise the module, and return its call with what is seen of its table."""
        return self._prepare(call, _loaded)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], dict[str, Any]]]:
        """Return the call with the module saved as a whole, where it is saved."""
        if not call.wants(Observation.SAME_WHEN_LOADED):
            return {}
        return {_WHOLE: self._prepare(call, _loaded_as_a_whole)}

    def _prepare(
        self, call: Call, loaded: Callable[[Call, Any], Any]
    ) -> Callable[[], dict[str, Any]]:
        if call.operation not in self.info.operations:
            raise Unsupported("bitsandbytes has no module of bags")
        if not set(call.observe) <= _SEEN:
            raise Unsupported("a quantised table is not trained")
        tensors: dict[str, Any] = {name: to_tensor(array) for name, array in call.inputs.items()}
        module, indices = _quantized(call, tensors["weight"]), tensors["indices"]

        def look_up() -> dict[str, Any]:
            output = module(indices)
            seen = {"output": output, **inputs_after(tensors)}
            if call.wants(Observation.STORED_WEIGHT, Observation.SAME_CODES_AGAIN):
                seen["stored_weight"] = module(torch.arange(len(tensors["weight"])))
            if call.wants(Observation.SAME_CODES_AGAIN):
                again = _quantized(call, seen["stored_weight"])
                codes = [_codes(call, one) for one in (module, again)]
                seen["same_codes_again"] = torch.equal(*codes)
            if call.wants(Observation.SAME_WHEN_LOADED):
                seen["same_when_loaded"] = torch.equal(loaded(call, module)(indices), output)
            return seen

        return look_up

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Bring the tensors home."""
        return arrays_of(answer)

    def script(self, call: Call) -> str:
        """Write the module, its quantisation and its call."""
        if not set(call.observe) <= _WRITTEN:
            raise Unsupported("no script is written for this observation")
        return _SCRIPT.format(
            inputs="\n".join(f"{name} = torch.from_numpy({name})" for name in call.inputs),
            module=_MODULES[call.option("scheme")],
            after="\n".join(f"{name}_after = {name}.numpy()" for name in call.inputs),
        )


def _quantized(call: Call, weight: torch.Tensor) -> Any:
    """Give a module the table, and move it to a device, which quantises it."""
    make = getattr(_NN, _MODULES[call.option("scheme")])
    module = make(*weight.shape, dtype=weight.dtype)
    module.load_state_dict({"weight": weight})
    return module.to("cpu")


def _codes(call: Call, module: Any) -> torch.Tensor:
    """Return the codes, each of FP4's two for 0 as one."""
    codes: torch.Tensor = module.weight.data
    if call.option("scheme") != "fp4-block64":
        return codes
    halves = torch.stack([codes >> 4, codes & 15])
    return torch.where(halves == 8, 0, halves)


def _loaded(call: Call, module: Any) -> Any:
    """Save the module's state, and load it into another."""
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = _quantized(call, torch.zeros(call.inputs["weight"].shape))
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


def _loaded_as_a_whole(_: Call, module: Any) -> Any:
    """Save the module itself, and load it."""
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)

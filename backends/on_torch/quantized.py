"""Modules of PyTorch quantised by `torch.ao`: `prepare` and `convert` with a weight-only qconfig.

A scheme is one of the two qconfigs. What is looked up in is what `convert` makes of the module.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.ao import quantization as untyped

from embcheck.backends.on_torch.calls import LATE_IMPORTS
from embcheck.backends.on_torch.names import arrays_of, to_tensor
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

quantization: Any = untyped
_CONFIGS = {
    "uint8-row": "float_qparams_weight_only_qconfig",
    "uint4-row": "float_qparams_weight_only_qconfig_4bit",
}
_MODULES: dict[Operation, Any] = {
    Operation.QUANTIZED_EMBEDDING: torch.nn.Embedding,
    Operation.QUANTIZED_EMBEDDING_BAG: torch.nn.EmbeddingBag,
}
_SEEN = {
    Observation.OUTPUT,
    Observation.STORED_WEIGHT,
    Observation.SAME_CODES_AGAIN,
    Observation.SAME_WHEN_LOADED,
    Observation.INPUTS_AFTER,
    Observation.WEIGHT_AFTER,
}


class TorchAo:
    """A module made from the caller's table, converted."""

    late_imports = LATE_IMPORTS
    info = BackendInfo(
        id="torch-ao",
        library="torch",
        version=torch.__version__,
        **processor(),
        operations={
            operation: Provided(Provision.NATIVE, f"torch.ao.quantization.convert({module})")
            for operation, module in (
                (Operation.QUANTIZED_EMBEDDING, "nn.Embedding"),
                (Operation.QUANTIZED_EMBEDDING_BAG, "nn.EmbeddingBag"),
            )
        },
        capabilities=frozenset(
            {
                Capability.PADDING_IDX,
                Capability.MAX_NORM,
                Capability.PER_SAMPLE_WEIGHTS,
                Capability.INCLUDE_LAST_OFFSET,
            }
        ),
        schemes=frozenset(_CONFIGS),
        fresh_worker_after_bad_index=True,
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Convert the module, and return its call with what is seen of its table."""
        if call.operation not in _MODULES:
            raise Unsupported(f"nothing is quantised in {call.operation}")
        if not set(call.observe) <= _SEEN:
            raise Unsupported("a quantised table is not trained")
        tensors: dict[str, Any] = {name: to_tensor(array) for name, array in call.inputs.items()}
        module = _converted(call, tensors["weight"])
        given = [tensors[n] for n in ("indices", "offsets", "per_sample_weights") if n in tensors]
        if "per_sample_weights" in tensors and "offsets" not in tensors:
            given.insert(1, None)

        def look_up() -> dict[str, Any]:
            output = module(*given)
            # To NumPy as users do: an array of negative size exists as a tensor only.
            seen = {"output": output.numpy(), **inputs_after(tensors)}
            if call.wants(Observation.STORED_WEIGHT):
                seen["stored_weight"] = module.weight().dequantize()
            if call.wants(Observation.SAME_CODES_AGAIN):
                again = _converted(call, module.weight().dequantize())
                codes = [one.weight().int_repr() for one in (module, again)]
                seen["same_codes_again"] = torch.equal(*codes)
            if call.wants(Observation.SAME_WHEN_LOADED):
                seen["same_when_loaded"] = torch.equal(_loaded(call, module)(*given), output)
            return seen

        return look_up

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Bring the tensors home."""
        return arrays_of(answer)

    def script(self, call: Call) -> str:
        """Write the conversion and the call."""
        if not set(call.observe) <= {*_SEEN} - {"same_codes_again", "same_when_loaded"}:
            raise Unsupported("no script is written for this observation")
        config, options = _CONFIGS[call.option("scheme")], _options(call)
        given = "".join(f", {name}={value!r}" for name, value in options.items())
        names = [n for n in ("indices", "offsets", "per_sample_weights") if n in call.inputs]
        called = ", ".join(n if n == "indices" else f"{n}={n}" for n in names)
        lines = [
            "import torch",
            "from torch.ao import quantization",
            "",
            *(f"{name} = torch.from_numpy({name})" for name in call.inputs),
            f"module = torch.nn.{_MODULES[call.operation].__name__}.from_pretrained(weight{given})",
            f"module.qconfig = quantization.{config}",
            "model = torch.nn.Sequential(module).eval()",
            "table = quantization.convert(quantization.prepare(model))[0]",
            f"output = table({called}).numpy()",
            "stored_weight = table.weight().dequantize().numpy()",
            *(f"{name}_after = {name}.numpy()" for name in call.inputs),
        ]
        return "\n".join(lines)


def _options(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.options.items() if name != "scheme"}


def _converted(call: Call, weight: torch.Tensor) -> Any:
    """Make the module around a table, and convert it."""
    module = _MODULES[call.operation].from_pretrained(weight, **_options(call))
    module.qconfig = getattr(quantization, _CONFIGS[call.option("scheme")])
    model = torch.nn.Sequential(module).eval()
    return quantization.convert(quantization.prepare(model))[0]


def _loaded(call: Call, module: Any) -> Any:
    """Save the module's state, and load it into another that was converted from zeros."""
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    shape = module.weight().shape
    other = _converted(call, torch.zeros(shape))
    other.load_state_dict(torch.load(file, weights_only=False))
    return other

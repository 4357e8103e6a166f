"""Modules of PyTorch quantised by `torch.ao`: `prepare` and `convert` with a weight-only qconfig.

A scheme is one of the two qconfigs. What is looked up in is what `convert` makes of the module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.ao import quantization as untyped

from embcheck.backends.composed.stored_table import require_written
from embcheck.backends.on_torch import stored
from embcheck.backends.on_torch.calls import LATE_IMPORTS
from embcheck.backends.on_torch.names import arrays_of, to_tensor
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Operation

quantization: Any = untyped
_CONFIGS = {
    "uint8-row": "float_qparams_weight_only_qconfig",
    "uint4-row": "float_qparams_weight_only_qconfig_4bit",
}
_MODULES: dict[Operation, Any] = {
    Operation.QUANTIZED_EMBEDDING: torch.nn.Embedding,
    Operation.QUANTIZED_EMBEDDING_BAG: torch.nn.EmbeddingBag,
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
        """Convert the module, and return a thunk that looks up and observes its table."""
        if call.operation not in _MODULES:
            raise Unsupported(f"nothing is quantised in {call.operation}")
        stored.expect_seen(call)
        tensors: dict[str, Any] = {name: to_tensor(array) for name, array in call.inputs.items()}
        module = _converted(call, tensors["weight"])
        given = [tensors[n] for n in ("indices", "offsets", "per_sample_weights") if n in tensors]
        if "per_sample_weights" in tensors and "offsets" not in tensors:
            # Arguments go by position, and `offsets` is the second one.
            given.insert(1, None)

        def look_up() -> torch.Tensor:
            output: torch.Tensor = module(*given)
            output.numpy()  # As users do; it refuses a tensor of negative size.
            return output

        def has_codes_of(table: torch.Tensor) -> bool:
            codes = [one.weight().int_repr() for one in (module, _converted(call, table))]
            return torch.equal(*codes)

        return stored.thunk(
            call,
            tensors,
            look_up,
            stored=lambda: module.weight().dequantize(),
            has_codes_of=has_codes_of,
            loaded=lambda: _loaded(call, module)(*given),
        )

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Convert the tensors to NumPy."""
        return arrays_of(answer)

    def script(self, call: Call) -> str:
        """Write the conversion and the call."""
        require_written(call)
        config, options = _CONFIGS[call.option("scheme")], stored.options_of(call)
        given = "".join(f", {name}={value!r}" for name, value in options.items())
        names = [n for n in ("indices", "offsets", "per_sample_weights") if n in call.inputs]
        called = ", ".join(n if n == "indices" else f"{n}={n}" for n in names)
        tensors = stored.written_tensors(call)
        lines = [
            "import torch",
            "from torch.ao import quantization",
            "",
            tensors["inputs"],
            f"module = torch.nn.{_MODULES[call.operation].__name__}.from_pretrained(weight{given})",
            f"module.qconfig = quantization.{config}",
            "model = torch.nn.Sequential(module).eval()",
            "table = quantization.convert(quantization.prepare(model))[0]",
            f"output = table({called}).numpy()",
            "stored_weight = table.weight().dequantize().numpy()",
            tensors["after"],
        ]
        return "\n".join(lines)


def _converted(call: Call, weight: torch.Tensor) -> Any:
    """Make the module around a table, and convert it."""
    module = _MODULES[call.operation].from_pretrained(weight, **stored.options_of(call))
    module.qconfig = getattr(quantization, _CONFIGS[call.option("scheme")])
    model = torch.nn.Sequential(module).eval()
    return quantization.convert(quantization.prepare(model))[0]


def _loaded(call: Call, module: Any) -> Any:
    """Save the module's state, and load it into another module, converted from zeros."""
    other = _converted(call, torch.zeros(module.weight().shape))
    # A packed table is a TorchScript object, which `weights_only` would not load.
    other.load_state_dict(stored.reloaded(module.state_dict(), weights_only=False))
    return other

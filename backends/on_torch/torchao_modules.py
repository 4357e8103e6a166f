"""`nn.Embedding` quantised by torchao's `quantize_`, with the weight-only config of each scheme.

https://docs.pytorch.org/ao/stable/api_reference/api_ref_quantization.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torchao
from torchao.quantization import (
    Float8WeightOnlyConfig,
    Int8WeightOnlyConfig,
    IntxWeightOnlyConfig,
    MappingType,
    PerAxis,
    PerGroup,
    PerTensor,
    quantize_,
)

from embcheck.backends.composed.stored_table import require_written
from embcheck.backends.on_torch import stored
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

_AFFINE = MappingType.ASYMMETRIC
_INT4 = torch.int4  # type: ignore[attr-defined]  # PyTorch's hints lack it
_CONFIGS = {
    "int8-full-row": Int8WeightOnlyConfig(),
    "int4-full-block32": IntxWeightOnlyConfig(_INT4, PerGroup(32)),
    "uint4-zero-block32": IntxWeightOnlyConfig(_INT4, PerGroup(32), _AFFINE),
    "uint8-zero-row": IntxWeightOnlyConfig(torch.int8, PerAxis(0), _AFFINE, torch.float16),
    "float8-row": Float8WeightOnlyConfig(),
    "float8-table": Float8WeightOnlyConfig(granularity=PerTensor()),
}
_LINES = {
    "int8-full-row": "Int8WeightOnlyConfig()",
    "int4-full-block32": "IntxWeightOnlyConfig(torch.int4, PerGroup(32))",
    "uint4-zero-block32": "IntxWeightOnlyConfig(torch.int4, PerGroup(32), affine)",
    "uint8-zero-row": "IntxWeightOnlyConfig(torch.int8, PerAxis(0), affine, torch.float16)",
    "float8-row": "Float8WeightOnlyConfig()",
    "float8-table": "Float8WeightOnlyConfig(granularity=PerTensor())",
}
"""The same configs, as users write them."""
_OTHER = "IntxWeightOnlyConfig()"
"""Another config of `int8-full-row`: the same codes, in another class of tensors."""
_SCRIPT = """import torch
from torchao.quantization import (
    Float8WeightOnlyConfig,
    Int8WeightOnlyConfig,
    IntxWeightOnlyConfig,
    MappingType,
    PerAxis,
    PerGroup,
    PerTensor,
    quantize_,
)

affine = MappingType.ASYMMETRIC
{inputs}
module = torch.nn.Embedding.from_pretrained(weight{options})
model = torch.nn.Sequential(module)
config = {config}
quantize_(model, config, filter_fn=lambda module, _: isinstance(module, torch.nn.Embedding))
output = model(indices).numpy()
stored_weight = model[0].weight.dequantize().numpy()
{after}"""


class Torchao:
    """A module made from the caller's table, quantised in place."""

    info = BackendInfo(
        id="torchao",
        library="torchao",
        modules=("torchao", "torch"),
        version=torchao.__version__,
        **processor(),
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE,
                "torchao.quantization.quantize_(model, config, "
                "filter_fn=lambda module, name: isinstance(module, nn.Embedding))",
            )
        },
        capabilities=frozenset({Capability.PADDING_IDX, Capability.MAX_NORM}),
        schemes=frozenset(_CONFIGS),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise the module, and return a thunk that looks up and observes its table."""
        return self._prepare(call, _CONFIGS[call.option("scheme")])

    def spellings(self, call: Call) -> Mapping[str, Callable[[], dict[str, Any]]]:
        """Return the call with another config, if two configs give its scheme."""
        if call.option("scheme") != "int8-full-row":
            return {}
        return {_OTHER: self._prepare(call, IntxWeightOnlyConfig())}

    def _prepare(self, call: Call, config: Any) -> Callable[[], dict[str, Any]]:
        if call.operation not in self.info.operations:
            raise Unsupported("the tensors of torchao have no embedding_bag")
        stored.expect_seen(call)
        tensors: dict[str, Any] = {name: to_tensor(array) for name, array in call.inputs.items()}
        model, indices = _quantized(call, tensors["weight"], config), tensors["indices"]
        table = model[0].weight

        def has_codes_of(other: torch.Tensor) -> bool:
            return _codes(table) == _codes(_quantized(call, other, config)[0].weight)

        return stored.thunk(
            call,
            tensors,
            look_up=lambda: model(indices),
            stored=table.dequantize,
            has_codes_of=has_codes_of,
            loaded=lambda: _loaded(call, model)(indices),
        )

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Convert the tensors to NumPy."""
        return arrays_of(answer)

    def script(self, call: Call) -> str:
        """Write the quantisation and the call."""
        require_written(call)
        options = stored.options_of(call)
        return _SCRIPT.format(
            **stored.written_tensors(call),
            options="".join(f", {name}={value!r}" for name, value in options.items()),
            config=_LINES[call.option("scheme")],
        )


def _quantized(call: Call, weight: torch.Tensor, config: Any) -> Any:
    """Make the module around a table, and quantise it."""
    make: Any = torch.nn.Embedding.from_pretrained
    model = torch.nn.Sequential(make(weight, **stored.options_of(call)))
    quantize_(model, config, filter_fn=lambda module, _: isinstance(module, torch.nn.Embedding))
    return model


def _codes(table: Any) -> bytes:
    # As bytes, since some schemes have codes in float8, which NumPy itself lacks.
    codes: np.ndarray = table.qdata.view(torch.uint8).numpy()
    return codes.tobytes()


def _loaded(call: Call, model: Any) -> Any:
    """Save the model's state, and load it into another model, as torchao's documentation does."""
    module = torch.nn.Embedding(*call.inputs["weight"].shape, **stored.options_of(call))
    other = torch.nn.Sequential(module)
    # Without `assign`, the codes would be copied into the new module's floats.
    other.load_state_dict(stored.reloaded(model.state_dict()), assign=True)
    return other

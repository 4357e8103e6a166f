"""PyTorch's operators of quantised tables, `torch.ops.quantized`, called by themselves.

Packed and called as PyTorch's own tests do: test/quantization/core/test_quantized_op.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.ao.quantization import PerChannelMinMaxObserver as Observer

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

_OPS: Any = torch.ops.quantized
_BITS = {"uint8-row": "byte", "uint4-row": "4bit"}
_DTYPES = {"uint8-row": torch.quint8, "uint4-row": torch.quint4x2}
_MODES = {"sum": 0, "mean": 1, "max": 2}
"""The numbers of the modes in `torch.embedding_bag`."""
_OF_BAGS = ("offsets", "per_sample_weights")
_LOOKUPS = """import torch
from torch.ao.quantization import PerChannelMinMaxObserver

{inputs}
dtype = {dtype}
scheme = torch.per_channel_affine_float_qparams
observer = PerChannelMinMaxObserver(dtype=dtype, qscheme=scheme, ch_axis=0)
observer(weight)
scales, zero_points = observer.calculate_qparams()
quantized = torch.quantize_per_channel(weight, scales, zero_points, 0, dtype)
packed = torch.ops.quantized.embedding_bag_prepack(quantized)
output = torch.ops.quantized.embedding_{bits}(packed, indices).numpy()
stored_weight = torch.ops.quantized.embedding_bag_unpack(packed).dequantize().numpy()
{after}"""
_BAGS = """import torch

{inputs}
packed = torch.ops.quantized.embedding_bag_{bits}_prepack(weight)
look_up = torch.ops.quantized.embedding_bag_{bits}_rowwise_offsets
output = look_up(packed, indices, {given}).numpy()
stored_weight = torch.ops.quantized.embedding_bag_{bits}_unpack(packed).numpy()
{after}"""


class TorchQuantizedOps:
    """A table packed from the caller's, and the operator that looks up in it."""

    info = BackendInfo(
        id="torch-quantized-ops",
        library="torch",
        version=torch.__version__,
        **processor(),
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE, "torch.ops.quantized.embedding_byte, embedding_4bit"
            ),
            Operation.QUANTIZED_EMBEDDING_BAG: Provided(
                Provision.NATIVE,
                "torch.ops.quantized.embedding_bag_byte_rowwise_offsets, "
                "embedding_bag_4bit_rowwise_offsets",
            ),
        },
        capabilities=frozenset({Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET}),
        schemes=frozenset(_BITS),
        fresh_worker_after_bad_index=True,
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Pack the table, and return a thunk that looks up and observes the table."""
        if call.operation not in self.info.operations:
            raise Unsupported(f"no operator of torch.ops.quantized is {call.operation}")
        stored.expect_seen(call)
        tensors: dict[str, Any] = {name: to_tensor(array) for name, array in call.inputs.items()}
        pack = _bags if call.operation.is_bag else _lookups
        packed, operator, unpacked, codes = pack(call, tensors["weight"])
        given = {n: tensors[n] for n in _OF_BAGS if n in tensors} | _options(call)

        def look_up() -> torch.Tensor:
            output: torch.Tensor = operator(packed, tensors["indices"], **given)
            output.numpy()  # As users do; it refuses a tensor of negative size.
            return output

        def loaded() -> torch.Tensor:
            other = stored.reloaded(packed, weights_only=False)
            output: torch.Tensor = operator(other, tensors["indices"], **given)
            return output

        return stored.thunk(
            call,
            tensors,
            look_up,
            stored=lambda: unpacked(packed),
            has_codes_of=lambda table: torch.equal(codes(packed), codes(pack(call, table)[0])),
            loaded=loaded,
        )

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Convert the tensors to NumPy."""
        return arrays_of(answer)

    def script(self, call: Call) -> str:
        """Write the packing and the operator's call."""
        require_written(call)
        scheme = call.option("scheme")
        given = [f"{name}={name}" for name in _OF_BAGS if name in call.inputs]
        given += [f"{name}={value!r}" for name, value in _options(call).items()]
        return (_BAGS if call.operation.is_bag else _LOOKUPS).format(
            **stored.written_tensors(call),
            bits=_BITS[scheme],
            dtype=_DTYPES[scheme],
            given=", ".join(given),
        )


_Packed = tuple[Any, Callable[..., Any], Callable[[Any], Any], Callable[[Any], Any]]
"""A packed table, and functions that look up in it, dequantise it, and return its codes."""


def _options(call: Call) -> dict[str, Any]:
    """Return the options that the operator takes; only an operator of bags takes any."""
    if not call.operation.is_bag:
        return {}
    return {
        "mode": _MODES[call.option("mode")],
        "include_last_offset": call.option("include_last_offset"),
    }


def _lookups(call: Call, weight: torch.Tensor) -> _Packed:
    dtype = _DTYPES[call.option("scheme")]
    observer: Any = Observer(dtype=dtype, qscheme=torch.per_channel_affine_float_qparams, ch_axis=0)
    observer(weight)
    scales, zero_points = observer.calculate_qparams()
    quantized = torch.quantize_per_channel(weight, scales, zero_points, 0, dtype)
    operator = getattr(_OPS, f"embedding_{_BITS[call.option('scheme')]}")
    unpack = _OPS.embedding_bag_unpack
    return (
        _OPS.embedding_bag_prepack(quantized),
        operator,
        lambda packed: unpack(packed).dequantize(),
        lambda packed: unpack(packed).int_repr(),
    )


def _bags(call: Call, weight: torch.Tensor) -> _Packed:
    bits = _BITS[call.option("scheme")]
    # The bytes of a row's scale and offset: two floats of 32 bits, or two of 16.
    parts = {"byte": 8, "4bit": 4}[bits]
    return (
        getattr(_OPS, f"embedding_bag_{bits}_prepack")(weight),
        getattr(_OPS, f"embedding_bag_{bits}_rowwise_offsets"),
        getattr(_OPS, f"embedding_bag_{bits}_unpack"),
        lambda packed: packed[:, :-parts],  # Scale and offset follow the codes of a row.
    )

"""FBGEMM's IntNBitTableBatchedEmbeddingBagsCodegen with one table of 8 or 4 bits, for inference.

`quantize_embs` packs a table, with a scale and an offset of each row in float16. Columns must be a
multiple of 4. The default `bounds_check_mode`, WARNING, documents that it prints a warning and
fixes what is invalid, as in `split`; a spelling has FATAL, which throws. Tables of 2 bits are left
out: half of their step is a sixth of a row's range, and no bound tells right from wrong.
https://docs.pytorch.org/FBGEMM/fbgemm_gpu/python-api/tbe_ops_inference.html
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from fbgemm_gpu.split_embedding_configs import SparseType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import (
    BoundsCheckMode,
    EmbeddingLocation,
)
from fbgemm_gpu.split_table_batched_embeddings_ops_inference import (
    IntNBitTableBatchedEmbeddingBagsCodegen,
)
from fbgemm_gpu.tbe.utils.quantize import quantize_embs

from embcheck.backends.composed.stored_table import OF_THE_TABLE, SEEN
from embcheck.backends.on_fbgemm import script
from embcheck.backends.on_fbgemm.calls import VERSION, Tbe, expect_expressible, pooling_of
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

Answer = dict[str, Any]

_CLASS = "IntNBitTableBatchedEmbeddingBagsCodegen"
_TYPES = {"uint8-half-row": SparseType.INT8, "uint4-row": SparseType.INT4}
_OPERATIONS = {
    Operation.QUANTIZED_EMBEDDING: Provided(
        Provision.COMPOSED,
        f"{_CLASS}(pooling_mode=NONE)(indices.flatten(), torch.arange(n + 1))",
    ),
    Operation.QUANTIZED_EMBEDDING_BAG: Provided(
        Provision.NATIVE,
        f"{_CLASS}(pooling_mode=SUM or MEAN)(indices, offsets, per_sample_weights); a matrix is "
        "flattened, and offsets without the last one get the number of indices appended",
    ),
}
_FATAL = "bounds_check_mode=BoundsCheckMode.FATAL"
_SCRIPTED = "torch.jit.save(torch.jit.script(module), file)"


class FbgemmNbit:
    """A table that `quantize_embs` packed."""

    info = BackendInfo(
        id="fbgemm-nbit",
        library="fbgemm_gpu",
        modules=("fbgemm_gpu", "torch._ops"),
        version=VERSION,
        **processor(),
        operations=_OPERATIONS,
        capabilities=frozenset({Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET}),
        schemes=frozenset(_TYPES),
        settings={"output_dtype": "FP32; the default is FP16"},
        fresh_worker_after_bad_index=True,
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Pack the table, and return a thunk that looks up and observes the table."""
        return _thunk(call, {})

    def spellings(self, call: Call) -> dict[str, Callable[[], Answer]]:
        """Return the call with bounds enforced, and with the module saved as TorchScript."""
        return {
            _FATAL: _thunk(call, {"bounds_check_mode": BoundsCheckMode.FATAL}),
            _SCRIPTED: _thunk(call, {}, as_script=True),
        }

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Convert the tensors to NumPy."""
        return arrays_of(answer)

    def script(self, call: Call) -> str:
        """Write a call as FBGEMM users would."""
        _expect_expressible(call)
        return script.write_nbit(call, _TYPES[call.option("scheme")])


def _expect_expressible(call: Call) -> None:
    expect_expressible(call, "FBGEMM", _OPERATIONS, SEEN)
    if call.operation.is_bag and call.wants(*OF_THE_TABLE):
        raise Unsupported("a table is seen by a lookup, and a bag's module has none")


def _thunk(call: Call, checks: dict[str, Any], *, as_script: bool = False) -> Callable[[], Answer]:
    _expect_expressible(call)
    tensors: dict[str, Any] = {name: to_tensor(array) for name, array in call.inputs.items()}
    weight = tensors["weight"]
    module = _packed(call, weight, checks)
    look_up = Tbe(call, module, weight, tensors).look_up

    def stored_weight() -> torch.Tensor:
        rows: torch.Tensor = module(torch.arange(len(weight)), torch.arange(len(weight) + 1))
        return rows

    def has_codes_of(table: torch.Tensor) -> bool:
        return torch.equal(_codes(module), _codes(_packed(call, table, checks)))

    def loaded() -> torch.Tensor:
        if as_script:
            other = _scripted(module)
        else:
            other = _packed(call, torch.zeros_like(weight), checks)
            other.load_state_dict(stored.reloaded(module.state_dict()))
        return Tbe(call, other, weight, tensors).look_up()

    return stored.thunk(call, tensors, look_up, stored_weight, has_codes_of, loaded)


def _packed(call: Call, table: torch.Tensor, checks: dict[str, Any]) -> Any:
    kind = _TYPES[call.option("scheme")]
    module = IntNBitTableBatchedEmbeddingBagsCodegen(
        [("table", *table.shape, kind, EmbeddingLocation.HOST)],
        device="cpu",
        pooling_mode=pooling_of(call),
        # FP16, the default, would round rows that are compared with the scheme's levels.
        output_dtype=SparseType.FP32,
        **checks,
    )
    # Allocates the memory that `assign_embedding_weights` fills.
    module.initialize_weights()
    module.assign_embedding_weights([quantize_embs(table, kind)])
    return module


def _codes(module: Any) -> torch.Tensor:
    codes: torch.Tensor = module.split_embedding_weights()[0][0]
    return codes


def _scripted(module: Any) -> Any:
    """Save a module as TorchScript, and load it."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(module), file)
    file.seek(0)
    return torch.jit.load(file)  # type: ignore[no-untyped-call]

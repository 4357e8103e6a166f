"""FBGEMM's SplitTableBatchedEmbeddingBagsCodegen with one table, its optimizer fused.

Two backends differ in `bounds_check_mode`. The default, WARNING, documents that it prints a warning
and fixes what is invalid: an index becomes 0, an offset is moved within bounds, both where the
caller can see it. FATAL documents that it throws. A table's columns must be a multiple of 4. There
are no gradients for the table: `backward` trains it, by EXACT_SGD or EXACT_ADAGRAD with learning
rate 1, and PyTorch's epsilon.
On the CPU, FBGEMM does not implement PoolingMode.NONE, and sums instead:
https://github.com/pytorch/FBGEMM/issues/4586. Of the bags of one index that a lookup makes, both
are the same.
https://docs.pytorch.org/FBGEMM/fbgemm_gpu/python-api/tbe_ops_training.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import (
    BoundsCheckMode,
    EmbeddingLocation,
)
from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
    ComputeDevice,
    SplitTableBatchedEmbeddingBagsCodegen,
)
from torch import Tensor

from embcheck.backends.composed.answers import brought_home
from embcheck.backends.on_fbgemm import script
from embcheck.backends.on_fbgemm.calls import (
    VERSION,
    Tbe,
    expect_expressible,
    pooling_of,
    precisions,
    provided,
    require_kernels,
)
from embcheck.backends.on_torch.calls import Answer
from embcheck.backends.on_torch.names import to_array, to_tensor
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation

_CLASS = "SplitTableBatchedEmbeddingBagsCodegen"
_PLACES = {
    "cpu": (EmbeddingLocation.HOST, ComputeDevice.CPU),
    "cuda": (EmbeddingLocation.DEVICE, ComputeDevice.CUDA),
}
_OPTIMISERS: dict[str, dict[str, Any]] = {
    Observation.TRAINED_WEIGHT: {"optimizer": EmbOptimType.EXACT_SGD},
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: {"optimizer": EmbOptimType.EXACT_ADAGRAD, "eps": 1e-10},
}
_OBSERVABLE = {"output", "weight_after", "inputs_after", *_OPTIMISERS}


class FbgemmSplit:
    """A fused TBE on one device, in one mode of checking bounds; None is the default one."""

    def __init__(self, name: str, device: str, checks: BoundsCheckMode | None = None) -> None:
        self._checks = checks
        self.info = BackendInfo(
            id=name,
            library="fbgemm_gpu",
            modules=("fbgemm_gpu", "torch._ops", "torch.autograd"),
            version=VERSION,
            device=device,
            **processor(),
            operations=provided(_CLASS),
            capabilities=frozenset(
                {
                    *(Capability.TRAINING, Capability.ADAGRAD),
                    *(Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET),
                }
            ),
            # A bad index trips an assertion in the kernel, which ends the use of CUDA.
            fresh_worker_after_bad_index=device == "cuda",
            survives_fork=device == "cpu",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make the module, copy the weight to its table, and return a thunk of the observations."""
        _expect_expressible(call)
        device = self.info.device
        tensors = {name: to_tensor(array).to(device) for name, array in call.inputs.items()}
        weight = tensors["weight"]
        # The default is not named, so that FBGEMM's own default is tested.
        checks = {} if self._checks is None else {"bounds_check_mode": self._checks}
        module = SplitTableBatchedEmbeddingBagsCodegen(
            [(*weight.shape, *_PLACES[device])],
            pooling_mode=pooling_of(call),
            # The optimiser is a part of the module: a lookup without training names one too.
            **_OPTIMISERS[_trained_by(call)],
            learning_rate=1.0,
            **precisions(weight.dtype),
            **checks,
        )
        table = module.split_embedding_weights()[0]
        tensors["weight"] = table.copy_(weight)
        tbe = Tbe(call, module, table, tensors)
        found = tensors if call.wants_inputs else {}

        def run() -> Answer:
            answer = _observe(tbe), found
            if device == "cuda":
                torch.cuda.synchronize()
            return answer

        return run

    def script(self, call: Call) -> str:
        """Write a call as FBGEMM's users would."""
        _expect_expressible(call)
        return script.write_split(call, self.info.device, self._checks)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Bring tensors off the device."""
        return brought_home(answer, to_array)


def _expect_expressible(call: Call) -> None:
    expect_expressible(call, "FBGEMM", provided(_CLASS), _OBSERVABLE)
    if call.wants(*_OPTIMISERS) and call.is_frozen:
        raise Unsupported("FBGEMM's fused tables are all trained, and none is frozen")
    if all(map(call.wants, _OPTIMISERS)):
        raise Unsupported("a fused table of FBGEMM is trained by one optimiser")


def _trained_by(call: Call) -> str:
    """Return the observation of a call's training step; that of plain SGD if there is none."""
    adagrad = Observation.WEIGHT_TRAINED_BY_ADAGRAD
    return adagrad if call.wants(adagrad) else Observation.TRAINED_WEIGHT


def _observe(tbe: Tbe) -> dict[str, Any]:
    output: Tensor = tbe.look_up()
    observed = {"output": output}
    if tbe.call.wants(*_OPTIMISERS):
        upstream = tbe.tensors.get("grad_output", torch.ones_like(output))
        # This trains: the optimiser runs in the backward pass, and no gradient is left to read.
        torch.autograd.backward(output, upstream)
        observed[_trained_by(tbe.call)] = tbe.table
    return observed


def default_on_cpu() -> FbgemmSplit:
    """Make the backend `fbgemm-default`."""
    return FbgemmSplit("fbgemm-default", "cpu")


def fatal_on_cpu() -> FbgemmSplit:
    """Make the backend `fbgemm-fatal`."""
    return FbgemmSplit("fbgemm-fatal", "cpu", BoundsCheckMode.FATAL)


def default_on_cuda() -> FbgemmSplit:
    """Make the backend `fbgemm-default@cuda`; raises Unavailable without its kernels."""
    require_kernels()
    return FbgemmSplit("fbgemm-default@cuda", "cuda")


def fatal_on_cuda() -> FbgemmSplit:
    """Make the backend `fbgemm-fatal@cuda`; raises Unavailable without its kernels."""
    require_kernels()
    return FbgemmSplit("fbgemm-fatal@cuda", "cuda", BoundsCheckMode.FATAL)

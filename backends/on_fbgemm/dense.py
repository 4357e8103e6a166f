"""FBGEMM's DenseTableBatchedEmbeddingBagsCodegen with one table, which gives it a gradient.

It has no bounds check of its own and takes tables of any width. Its weight is one flat parameter,
`weights`, whose gradient is shown as (V, D); training is an optimiser of PyTorch's.
On the CPU, it does not implement PoolingMode.NONE, and sums instead:
https://github.com/pytorch/FBGEMM/issues/4586. Of the bags of one index that a lookup makes, both
are the same, but for a -0.0, which a sum turns into 0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
    DenseTableBatchedEmbeddingBagsCodegen,
)

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
    shape_and_dtype,
)
from embcheck.backends.on_torch.calls import Answer, tensors_of, thunk
from embcheck.backends.on_torch.names import to_array
from embcheck.backends.on_torch.observe import Prepared
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
)
from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.contract.operation import FRESH

_CLASS = "DenseTableBatchedEmbeddingBagsCodegen"
_OPERATIONS = {
    **provided(_CLASS),
    **dict.fromkeys(FRESH, Provided(Provision.NATIVE, f"{_CLASS}([(V, D)])")),
}
_OF_THE_WEIGHT = {
    *(Observation.GRAD_WEIGHT, Observation.TRAINED_WEIGHT),
    *(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE, Observation.WEIGHT_TRAINED_BY_ADAGRAD),
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE,
}
"""The observations that are flat, as the weight is."""
_OBSERVABLE = {
    *("output", "weight_after", "inputs_after", *_OF_THE_WEIGHT),
    *(Observation.GRAD_PER_SAMPLE_WEIGHTS, Observation.TRAINABLE),
}


class FbgemmDense:
    """A dense TBE on one device."""

    def __init__(self, name: str, device: str) -> None:
        self.info = BackendInfo(
            id=name,
            library="fbgemm_gpu",
            modules=("fbgemm_gpu", "torch._ops", "torch.autograd"),
            version=VERSION,
            device=device,
            **processor(),
            operations=_OPERATIONS,
            capabilities=frozenset(
                {
                    *(Capability.GRADIENTS, Capability.TRAINING, Capability.ADAGRAD),
                    *(Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET),
                }
            ),
            # A bad index trips an assertion in the kernel, which ends the use of CUDA.
            fresh_worker_after_bad_index=device == "cuda",
            survives_fork=device == "cpu",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make the module, copy the weight to its table, and return a thunk of the observations."""
        expect_expressible(call, "FBGEMM", _OPERATIONS, _OBSERVABLE)
        device = self.info.device
        tensors = tensors_of(call, device)
        module = self._module(call, tensors)
        # FBGEMM has no option to freeze a table: it is a parameter, which trains.
        module.weights.requires_grad_(not call.is_frozen)
        table = module.split_embedding_weights()[0]
        # The caller finds the module's own table, which FBGEMM allocates itself.
        tensors["weight"] = table.copy_(tensors["weight"]) if "weight" in tensors else table
        lookup = Tbe(call, module, table, tensors).look_up
        return thunk(Prepared(call, tensors, module.weights, lookup), device)

    def _module(self, call: Call, tensors: dict[str, Any]) -> Any:
        shape, dtype = shape_and_dtype(call, tensors)
        return DenseTableBatchedEmbeddingBagsCodegen(
            [shape],
            pooling_mode=pooling_of(call),
            use_cpu=self.info.device == "cpu",
            **precisions(dtype),
        )

    def script(self, call: Call) -> str:
        """Write a call as FBGEMM's users would."""
        expect_expressible(call, "FBGEMM", _OPERATIONS, _OBSERVABLE)
        return script.write_dense(call, self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Bring tensors off the device; flat ones get the table's shape."""
        home = brought_home(answer, to_array)
        shape: tuple[int, ...] = (-1, home["output"].shape[-1])
        # Only timings lack it; they have no tables of 0 columns, for which -1 would fail.
        if "weight_after" in home:
            shape = home["weight_after"].shape
        for name in _OF_THE_WEIGHT & home.keys():
            # FBGEMM keeps all tables of a module in one flat parameter, so its gradients and the
            # trained weight are flat, too.
            home[name] = home[name].reshape(shape)
        return home


def on_cpu() -> FbgemmDense:
    """Make the backend `fbgemm-dense`."""
    return FbgemmDense("fbgemm-dense", "cpu")


def on_cuda() -> FbgemmDense:
    """Make the backend `fbgemm-dense@cuda`; raises Unavailable without its kernels."""
    require_kernels()
    return FbgemmDense("fbgemm-dense@cuda", "cuda")

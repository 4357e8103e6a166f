"""TorchRec's unsharded modules, EmbeddingCollection and EmbeddingBagCollection, with one table.

The caller's table goes in by `load_state_dict`; indices and bags as a KeyedJaggedTensor of one
feature: a lookup as one sequence, a matrix as bags of its rows, offsets without the last one with
the number of indices appended, since TorchRec's offsets say where the last bag ends. Another
spelling tells the lengths of the bags, which TorchRec documents beside offsets. The collections
hold a `torch.nn.Embedding` or `torch.nn.EmbeddingBag`, of float32 or else float16.
https://docs.pytorch.org/torchrec/modules-api-reference.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torchrec
from torch import Tensor
from torchrec.modules.embedding_configs import dtype_to_data_type

from embcheck.backends.composed import composition
from embcheck.backends.composed.answers import brought_home
from embcheck.backends.on_fbgemm import torchrec_script
from embcheck.backends.on_fbgemm.calls import (
    expect_expressible,
    flat_bags,
    flat_factors,
    require_kernels,
    shape_and_dtype,
)
from embcheck.backends.on_torch.calls import Answer, tensors_of, thunk
from embcheck.backends.on_torch.names import to_array
from embcheck.backends.on_torch.observe import Prepared, Tensors
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
)
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.contract.help import helps
from embcheck.conformance.contract.operation import FRESH, PRETRAINED

_LOOKUP = (
    "EmbeddingCollection([EmbeddingConfig(V, D)])"
    "(KeyedJaggedTensor(values=indices.flatten(), offsets=[0, n]))"
)
_BAGS = (
    "EmbeddingBagCollection([EmbeddingBagConfig(V, D, pooling=SUM or MEAN)])"
    "(KeyedJaggedTensor(values=indices, offsets=offsets, weights=per_sample_weights)); a matrix is "
    "flattened, and offsets without the last one get the number of indices appended"
)
_OPERATIONS = {
    operation: Provided(Provision.NATIVE, _BAGS if operation.is_bag else _LOOKUP)
    for operation in (Operation.EMBEDDING, Operation.EMBEDDING_BAG, *FRESH, *PRETRAINED)
}
_BY_LENGTHS = "KeyedJaggedTensor(keys, values, weights, lengths=lengths)"
_POOLING = {"sum": torchrec.PoolingType.SUM, "mean": torchrec.PoolingType.MEAN}
_OBSERVABLE = {
    *("output", "weight_after", "inputs_after", Observation.TRAINABLE),
    *(Observation.GRAD_WEIGHT, Observation.GRAD_PER_SAMPLE_WEIGHTS),
    *(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE, Observation.TRAINED_WEIGHT),
    *(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE, Observation.WEIGHT_TRAINED_BY_ADAGRAD),
}


class TorchrecCollections:
    """TorchRec on one device."""

    def __init__(self, name: str, device: str) -> None:
        self.info = BackendInfo(
            id=name,
            library="torchrec",
            modules=("torchrec", "fbgemm_gpu", "torch._ops", "torch.autograd"),
            version=torchrec.__version__,
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
            made_from="torch-eager",
            survives_fork=device == "cpu",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make the module, load the weight, and return a thunk of the observations."""
        _expect_expressible(call)
        return self._thunk(call, _features)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Answer]]:
        """Return a thunk that gives bags by their lengths."""
        _expect_expressible(call)
        if not call.operation.is_bag:
            return {}
        # Lengths are differences of bounds, so the bags must have bounds.
        composition.expect_bounds(call)
        return {_BY_LENGTHS: self._thunk(call, _features_by_lengths)}

    def _thunk(self, call: Call, features: Callable[[Call, Tensors], Any]) -> Callable[[], Answer]:
        device = self.info.device
        tensors = tensors_of(call, device)
        module = _module(call, tensors, torch.device(device))
        # TorchRec names the parameter after the table; there is only one.
        ((key, weight),) = module.named_parameters()
        if "weight" in tensors:
            module.load_state_dict({key: tensors["weight"]})
        tensors["weight"] = weight.requires_grad_(not call.is_frozen)

        def look_up() -> Tensor:
            looked_up: Any = module(features(call, tensors))["feature"]
            if call.operation.is_bag:
                pooled: Tensor = looked_up
                return pooled
            rows: Tensor = looked_up.values()
            return rows.view(*tensors["indices"].shape, weight.shape[1])

        return thunk(Prepared(call, tensors, weight, look_up), device)

    def script(self, call: Call) -> str:
        """Write a call as TorchRec users would."""
        _expect_expressible(call)
        return torchrec_script.write(call, self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Bring tensors off the device."""
        return brought_home(answer, to_array)


def _expect_expressible(call: Call) -> None:
    # A KeyedJaggedTensor can express bags without bounds, so TorchRec itself refuses them.
    expect_expressible(call, "TorchRec", _OPERATIONS, _OBSERVABLE, for_matrices=False)


def _module(call: Call, tensors: Tensors, device: torch.device) -> Any:
    shape, dtype = shape_and_dtype(call, tensors)
    told = {"name": "table", "feature_names": ["feature"], "data_type": dtype_to_data_type(dtype)}
    if not call.operation.is_bag:
        return torchrec.EmbeddingCollection([torchrec.EmbeddingConfig(*shape, **told)], device)
    pooling = _POOLING[call.option("mode")]
    table = torchrec.EmbeddingBagConfig(*shape, pooling=pooling, **told)
    return torchrec.EmbeddingBagCollection([table], "per_sample_weights" in tensors, device)


def _features(call: Call, tensors: Tensors) -> Any:
    indices = tensors["indices"]
    if not call.operation.is_bag:
        helps("makes one sequence of all indices, and gives the rows their shape")
        offsets = torch.tensor([0, indices.numel()], device=indices.device)
        return torchrec.KeyedJaggedTensor(["feature"], indices.flatten(), offsets=offsets)
    values, bounds = flat_bags(call, tensors)
    factors = flat_factors(tensors) if bounds is not None else tensors.get("per_sample_weights")
    return torchrec.KeyedJaggedTensor(["feature"], values, factors, offsets=bounds)


def _features_by_lengths(call: Call, tensors: Tensors) -> Any:
    """Make features that give the length of each bag."""
    values, bounds = flat_bags(call, tensors)
    # `spellings` calls this only for bags with bounds.
    lengths = torch.diff(bounds)  # type: ignore[arg-type]
    factors = flat_factors(tensors)
    return torchrec.KeyedJaggedTensor(["feature"], values, factors, lengths=lengths)


def on_cpu() -> TorchrecCollections:
    """Make the backend `torchrec`."""
    return TorchrecCollections("torchrec", "cpu")


def on_cuda() -> TorchrecCollections:
    """Make the backend `torchrec@cuda`; raises Unavailable without FBGEMM's kernels."""
    require_kernels()
    return TorchrecCollections("torchrec@cuda", "cuda")

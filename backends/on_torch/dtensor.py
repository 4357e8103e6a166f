"""PyTorch's DTensor: a table that two processes share by rows or by columns, joined by gloo.

A module is sharded by `parallelize_module`, which documents `nn.Embedding`; a function is called
with a table from `distribute_tensor` and indices that each rank has:
https://docs.pytorch.org/docs/2.13/distributed.tensor.parallel.html. The worker is rank 0. Bags are
absent: DTensor has no sharding strategy for them, and `one_hot` has no table to share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from embcheck.backends.composed.answers import brought_home
from embcheck.backends.on_torch import ranks_script
from embcheck.backends.on_torch.calls import Answer, Target, target_of
from embcheck.backends.on_torch.names import SPELLINGS, to_array, to_tensor
from embcheck.backends.on_torch.observe import Tensors, observe
from embcheck.backends.on_torch.ranks import WORLD_SIZE, Ranks
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_OPERATIONS = (
    Operation.EMBEDDING,
    Operation.EMBEDDING_MODULE,
    Operation.EMBEDDING_FROM_PRETRAINED,
)

_CAPABILITIES = frozenset(
    {
        Capability.GRADIENTS,
        Capability.TRAINING,
        Capability.ADAGRAD,
        Capability.PADDING_IDX,
        Capability.SCALE_GRAD_BY_FREQ,
    }
)

_STYLES = {0: RowwiseParallel, 1: ColwiseParallel}


class TorchDTensor:
    """Sharded tables, by the dimension `sharded` of the weight: 0 for rows, 1 for columns."""

    def __init__(self, name: str, sharded: int) -> None:
        self._sharded = sharded
        self._ranks = Ranks(partial(_prepare, sharded))
        self.info = BackendInfo(
            id=name,
            library="torch",
            version=torch.__version__,
            operations={
                operation: Provided(Provision.NATIVE, _spelling(operation, sharded))
                for operation in _OPERATIONS
            },
            capabilities=_CAPABILITIES,
            made_from="torch-eager",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Shard the table over the ranks, and return a thunk of the call."""
        _check(call)
        for array in call.inputs.values():
            # An array that cannot be a tensor fails here, before one rank waits for the other.
            to_tensor(array)
        return self._ranks.prepare(call)

    def script(self, call: Call) -> str:
        """Write the code of both ranks; a fork makes the second one."""
        _check(call)
        style = f"{_STYLES[self._sharded].__name__}({ranks_script.LAYOUTS})"
        return ranks_script.write(call, f"Shard({self._sharded})", style)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """View the gathered tensors as arrays."""
        return brought_home(answer, to_array)


def by_rows() -> TorchDTensor:
    """Make the backend `torch-dtensor-row`."""
    return TorchDTensor("torch-dtensor-row", 0)


def by_columns() -> TorchDTensor:
    """Make the backend `torch-dtensor-column`."""
    return TorchDTensor("torch-dtensor-column", 1)


def _check(call: Call) -> None:
    if call.operation.is_bag:
        raise Unsupported("DTensor has no sharding strategy for bags")
    if call.operation not in _OPERATIONS:
        raise Unsupported(f"{call.operation} has no table that ranks could share")
    if call.wants(Observation.SHARES_MEMORY, Observation.OUTPUT_SHARES_MEMORY):
        raise Unsupported("each rank holds a part of the table, in memory of its own")


def _spelling(operation: Operation, sharded: int) -> str:
    if operation.makes_module:
        return f"parallelize_module({SPELLINGS[operation]}, mesh, {_STYLES[sharded].__name__}())"
    return f"{SPELLINGS[operation]} of DTensors, the weight sharded by Shard({sharded})"


def _mesh() -> DeviceMesh:
    return init_device_mesh("cpu", (WORLD_SIZE,))


def _prepare(sharded: int, call: Call) -> Callable[[], Answer]:
    """Prepare one rank's part of a call."""
    target = target_of(call)
    others = {name: tensor for name, tensor in target.tensors.items() if name != "weight"}
    tensors: Tensors = {name: _share(tensor, Replicate()) for name, tensor in others.items()}
    if target.is_module:
        weight = _shard_module(target.function, sharded)
    else:
        weight = _share(target.weight, Shard(sharded))
    tensors["weight"] = weight
    shared = replace(target, tensors=tensors, weight=weight)
    look_up = _lookup(shared)
    # Timings ask for the output alone, so the inputs are not gathered, which takes both ranks.
    if call.observe == (Observation.OUTPUT,):
        return lambda: ({"output": look_up().full_tensor()}, {})
    prepared = shared.prepared(look_up)
    return lambda: (_gather(observe(prepared)), _gather(tensors))


def _share(tensor: torch.Tensor, placement: Placement) -> DTensor:
    # Detached, so that the shared tensor is the leaf that gets the gradient.
    shared = distribute_tensor(tensor.detach(), _mesh(), [placement])
    shared.requires_grad_(tensor.requires_grad)
    return shared


def _shard_module(module: Any, sharded: int) -> Any:
    # Both ranks are given all indices and get all rows, however the table is sharded.
    style = _STYLES[sharded](
        input_layouts=Replicate(), output_layouts=Replicate(), use_local_output=False
    )
    return parallelize_module(module, _mesh(), style).weight


def _lookup(target: Target) -> Callable[[], DTensor]:
    look_up: Callable[[], Any] = target.lookup()
    # A lookup by rows leaves partial sums on each rank: this adds them up.
    return lambda: look_up().redistribute(placements=[Replicate()])


def _gather(part: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Gather shared tensors into whole ones; both ranks must take part."""
    return {name: _whole(tensor) for name, tensor in part.items()}


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

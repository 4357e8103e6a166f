"""PyTorch, compiled by `torch.jit.script`: functions of `F` and modules of `nn`, as they are.

A function takes its options as arguments when it is called. `one_hot` is no Python function, which
is what `torch.jit.script` compiles, so a function that calls it is:
https://docs.pytorch.org/docs/2.13/generated/torch.jit.script.html.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from embcheck.backends.torch_calls import Target, TorchCalls, require_cuda
from embcheck.backends.torch_observe import Prepared
from embcheck.conformance.contract.backend import Capability
from embcheck.conformance.contract.call import Operation


def _one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    return torch.nn.functional.one_hot(tensor, num_classes)


def _script(target: Target) -> Prepared:
    is_one_hot = target.call.operation is Operation.ONE_HOT
    scripted: Any = torch.jit.script(_one_hot if is_one_hot else target.function)
    weight = scripted.weight if target.is_module else None
    return target.prepared(target.lookup(scripted), weight)


def _on(name: str, device: str) -> TorchCalls:
    return TorchCalls(
        name,
        _script,
        "torch.jit.script({})",
        capabilities=frozenset(Capability),
        made_from="torch-eager",
        device=device,
    )


def on_cpu() -> TorchCalls:
    """Make the backend `torchscript-script`."""
    return _on("torchscript-script", "cpu")


def on_cuda() -> TorchCalls:
    """Make the backend `torchscript-script@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    return _on("torchscript-script@cuda", "cuda")

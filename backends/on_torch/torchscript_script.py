"""PyTorch, compiled by `torch.jit.script`: functions of `F` and modules of `nn`, as they are.

A function takes its options as arguments when it is called. `one_hot` is no Python function, which
is what `torch.jit.script` compiles, so a function that calls it is:
https://docs.pytorch.org/docs/2.13/generated/torch.jit.script.html.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from embcheck.backends.on_torch.calls import Target, TorchCalls
from embcheck.backends.on_torch.device import require_cuda
from embcheck.backends.on_torch.observe import Prepared
from embcheck.conformance.contract.call import Call, Operation


def one_hot(tensor: torch.Tensor, num_classes: int = -1) -> torch.Tensor:
    """Call one_hot, which `torch.jit.script` does not compile by itself."""
    return torch.nn.functional.one_hot(tensor, num_classes)


class _Scripted(TorchCalls):
    def script(self, call: Call) -> str:
        """Write a call as a user would, with a Python function around `one_hot`."""
        text = super().script(call)
        if call.operation is not Operation.ONE_HOT:
            return text
        # The function stands behind the imports, as a user would write it.
        imports, calls = text.split("\n", 1)
        calls = calls.replace("torch.nn.functional.one_hot", one_hot.__name__)
        return f"{imports}\n\n{inspect.getsource(one_hot)}\n{calls}"


def _script(target: Target) -> Prepared:
    is_one_hot = target.call.operation is Operation.ONE_HOT
    scripted: Any = torch.jit.script(one_hot if is_one_hot else target.function)
    weight = scripted.weight if target.is_module else None
    return target.prepared(target.lookup(scripted), weight)


def _on(name: str, device: str) -> TorchCalls:
    return _Scripted(
        name,
        _script,
        "torch.jit.script({})",
        device,
    )


def on_cpu() -> TorchCalls:
    """Make the backend `torchscript-script`."""
    return _on("torchscript-script", "cpu")


def on_cuda() -> TorchCalls:
    """Make the backend `torchscript-script@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    return _on("torchscript-script@cuda", "cuda")

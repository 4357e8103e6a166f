"""PyTorch, traced by `torch.jit.trace`: a module's run on small examples, recorded and run again.

A function of `F` is traced once per configuration inside a module, which holds its options; a
module is traced with its own weight. What the trace takes from an example is part of it:
https://docs.pytorch.org/docs/2.13/generated/torch.jit.trace.html.
"""

from __future__ import annotations

from typing import Any

import torch

from embcheck.backends.on_torch.calls import Target, TorchCalls
from embcheck.backends.on_torch.device import require_cuda
from embcheck.backends.on_torch.modules import Shared, examples, lookup_of


def _trace(target: Target) -> Any:
    trace: Any = torch.jit.trace
    return trace(lookup_of(target), examples(target))


def _on(name: str, device: str) -> TorchCalls:
    return TorchCalls(
        name,
        Shared(_trace),
        "torch.jit.trace({}, {examples})",
        device,
    )


def on_cpu() -> TorchCalls:
    """Make the backend `torchscript-trace`."""
    return _on("torchscript-trace", "cpu")


def on_cuda() -> TorchCalls:
    """Make the backend `torchscript-trace@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    return _on("torchscript-trace@cuda", "cuda")

"""PyTorch, exported by `torch.export.export` and run by the program's own `module()`.

A function of `F` is exported once per configuration, from small examples with dynamic sizes; a
module is exported with its own weight. The program runs PyTorch's eager kernels, and gradients
flow through it: https://docs.pytorch.org/docs/2.13/user_guide/torch_compiler/export.html.
"""

from __future__ import annotations

from typing import Any

from torch.export import Dim, export

from embcheck.backends.on_torch.calls import Target, TorchCalls
from embcheck.backends.on_torch.device import require_cuda
from embcheck.backends.on_torch.modules import Shared, examples, lookup_of, per_dimension


def _export(target: Target) -> Any:
    # With AUTO, a size that cannot be dynamic becomes static instead of an error.
    sizes = per_dimension(target, Dim.AUTO)
    return export(lookup_of(target), examples(target), dynamic_shapes=sizes).module()


def _on(name: str, device: str) -> TorchCalls:
    return TorchCalls(
        name,
        Shared(_export),
        "torch.export.export({}, {examples}, dynamic_shapes={sizes}).module()",
        device,
    )


def on_cpu() -> TorchCalls:
    """Make the backend `torch-export`."""
    return _on("torch-export", "cpu")


def on_cuda() -> TorchCalls:
    """Make the backend `torch-export@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    return _on("torch-export@cuda", "cuda")

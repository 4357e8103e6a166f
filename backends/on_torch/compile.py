"""PyTorch, compiled by `torch.compile(..., dynamic=True)` with its default compiler, Inductor.

What is compiled is what PyTorch documents, a function of `F` or a module of `nn`, and it compiles
when it is first called. What it cannot compile it runs eagerly, as it documents, but never because
it compiled often before: that limit is lifted, since all calls of a suite come to one process. A
frame that once did not compile is not tried again, and PyTorch calls all of its own functions from
one frame; each call is given one of its own, so that none is run eagerly because of another.
Compiled code is kept below `TORCHINDUCTOR_CACHE_DIR`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from embcheck.backends.on_torch.calls import Target, TorchCalls
from embcheck.backends.on_torch.device import require_cuda
from embcheck.backends.on_torch.observe import Prepared

_RECOMPILES = 1_000_000


def _in_a_frame_of_its_own(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(*tensors: Tensor, **options: Any) -> Tensor:
        return function(*tensors, **options)

    call.__code__ = call.__code__.replace()  # an equal copy: Dynamo tells frames apart by identity
    return call


def _compile(target: Target) -> Prepared:
    compiled = torch.compile(_in_a_frame_of_its_own(target.function), dynamic=True)
    return target.prepared(target.lookup(compiled))


def _on(name: str, device: str) -> TorchCalls:
    # The default is 8. After that PyTorch runs a frame eagerly, and the suite would judge eager
    # PyTorch.
    torch._dynamo.config.recompile_limit = _RECOMPILES  # noqa: SLF001
    torch._dynamo.config.accumulated_recompile_limit = _RECOMPILES  # noqa: SLF001
    return TorchCalls(
        name,
        _compile,
        "torch.compile({}, dynamic=True)",
        device,
    )


def on_cpu() -> TorchCalls:
    """Make the backend `torch-compile`."""
    return _on("torch-compile", "cpu")


def on_cuda() -> TorchCalls:
    """Make the backend `torch-compile@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    return _on("torch-compile@cuda", "cuda")

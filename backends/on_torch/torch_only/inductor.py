"""Probes of torch.compile's default compiler, Inductor, which needs a C++ compiler on the CPU.

Its use of vector instructions is off: otherwise its code would depend on the processor, and it
would first compile a dozen test programs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor

from embcheck.backends.on_torch.torch_only.graphs import exception_of
from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion

OPTIONS: dict[str, Any] = {
    "cpp.vec_isa_ok": False,
    "cpp.simdlen": 1,
    "cpp_cache_precompile_headers": False,
}


def lacking() -> str | None:
    """Say what is missing here for these probes; None if nothing is."""
    from torch._inductor import cpp_builder, exc  # noqa: PLC0415  (slow to import)

    try:
        cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler as reason:
        return f"Inductor finds no C++ compiler: {reason}"
    return None


def complaint(question: ProbeQuestion) -> Answers:
    """Compile with valid indices; return the exception's class name for the given indices."""
    indices, weight = question.tensors["indices"], question.tensors["weight"]
    return exception_of(_compiled(), indices, weight)


def gradient(question: ProbeQuestion) -> Answers:
    """Return the weight's gradient of a compiled lookup's sum."""
    weight = question.tensors["weight"].clone().requires_grad_()
    output = _compiled()(question.tensors["indices"], weight)
    return {"answer": torch.autograd.grad(output, weight, torch.ones_like(output))[0]}


def _compiled() -> Callable[..., Tensor]:
    torch.compiler.reset()
    return torch.compile(F.embedding, fullgraph=True, options=OPTIONS)

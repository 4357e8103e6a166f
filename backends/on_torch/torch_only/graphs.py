"""Probes of compiled graphs: torch.compile's `aot_eager`, and the registered decompositions."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion


def lookup(question: ProbeQuestion) -> Answers:
    """Return a compiled lookup."""
    compiled = _compiled(question, F.embedding)
    return {"answer": compiled(question.tensors["indices"], question.tensors["weight"])}


def gradient(question: ProbeQuestion) -> Answers:
    """Return the weight's gradient of a compiled lookup's sum."""
    return {"answer": _gradient(question, _compiled(question, F.embedding))}


def sparse_gradient(question: ProbeQuestion) -> Answers:
    """Return rows and values of the sparse gradient of a compiled lookup's sum, as stored."""
    entries = _gradient(question, _compiled(question, F.embedding))
    return {"answer_rows": entries._indices()[0], "answer_values": entries._values()}  # noqa: SLF001


def bags(question: ProbeQuestion) -> Answers:
    """Return compiled bags, and the weight's gradient of their sum."""
    compiled = _compiled(question, F.embedding_bag)
    return {
        "answer": compiled(question.tensors["indices"], question.tensors["weight"]),
        "answer_gradient": _gradient(question, compiled),
    }


def complaint(question: ProbeQuestion) -> Answers:
    """Compile with valid indices; return the exception's class name for the given indices."""
    indices, weight = question.tensors["indices"], question.tensors["weight"]
    return exception_of(_compiled(question, F.embedding), indices, weight)


def decomposed_lookup(question: ProbeQuestion) -> Answers:
    """Look up by the decomposition that compilers use."""
    decomposed = _decomposition(torch.ops.aten.embedding.default)
    return {"answer": decomposed(question.tensors["weight"], question.tensors["indices"])}


def decomposed_gradient(question: ProbeQuestion) -> Answers:
    """Return the gradient of a lookup's sum by the decomposition that compilers use."""
    indices, weight = question.tensors["indices"], question.tensors["weight"]
    decomposed = _decomposition(torch.ops.aten.embedding_dense_backward.default)
    upstream = weight.new_ones(*indices.shape, weight.shape[1])
    return {"answer": decomposed(upstream, indices, len(weight), -1, False)}


def exception_of(compiled: Callable[..., Tensor], indices: Tensor, weight: Tensor) -> Answers:
    """Call once with zeros for indices, then with the given ones, and name the exception."""
    # It compiles here, so that what is raised below comes from the compiled code.
    compiled(torch.zeros_like(indices), weight)
    try:
        compiled(indices, weight)
    except Exception as error:  # noqa: BLE001  (which exception it is, is the answer)
        return {"answer_text": type(error).__name__}
    return {"answer_text": ""}


def _compiled(question: ProbeQuestion, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compile a call with the options as one graph, with nothing left from earlier calls."""
    torch.compiler.reset()
    options = question.options
    return torch.compile(
        lambda indices, weight: function(indices, weight, **options),
        backend="aot_eager",
        fullgraph=True,
    )


def _gradient(question: ProbeQuestion, compiled: Callable[..., Tensor]) -> Tensor:
    weight = question.tensors["weight"].clone().requires_grad_()
    output = compiled(question.tensors["indices"], weight)
    return torch.autograd.grad(output, weight, torch.ones_like(output))[0]


def _decomposition(operator: torch._ops.OpOverload) -> Callable[..., Tensor]:
    from torch._decomp import decomposition_table  # noqa: PLC0415  (slow to import)

    return decomposition_table[operator]

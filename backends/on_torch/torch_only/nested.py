"""Probes of jagged nested tensors as the input of bags."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion


def bags(question: ProbeQuestion) -> Answers:
    """Reduce bags of indices and per-sample weights that are cut at the same offsets tensor."""
    return _reduce(question, question.tensors["offsets"])


def bags_with_equal_offsets(question: ProbeQuestion) -> Answers:
    """Reduce the same bags, with the per-sample weights cut at a copy of the offsets."""
    return _reduce(question, question.tensors["offsets"].clone())


def _reduce(question: ProbeQuestion, cuts_of_weights: torch.Tensor) -> Answers:
    jagged = torch.nested.nested_tensor_from_jagged
    tensors = question.tensors
    factors = tensors.get("per_sample_weights")
    output = F.embedding_bag(
        jagged(tensors["indices"], tensors["offsets"]),
        tensors["weight"],
        per_sample_weights=None if factors is None else jagged(factors, cuts_of_weights),
        **question.options,
    )
    return {"answer": output}

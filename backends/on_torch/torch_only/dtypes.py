"""Probes of dtypes under autocast, which computes some operations in a narrower dtype."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion


def lookup_under_autocast(question: ProbeQuestion) -> Answers:
    """Look up under autocast to bfloat16."""
    with torch.autocast(question.device, dtype=torch.bfloat16):
        output = F.embedding(question.tensors["indices"], question.tensors["weight"])
    return {"answer": output}


def bags_under_autocast(question: ProbeQuestion) -> Answers:
    """Reduce bags under autocast to bfloat16."""
    tensors = question.tensors
    with torch.autocast(question.device, dtype=torch.bfloat16):
        output = F.embedding_bag(
            tensors["indices"],
            tensors["weight"],
            per_sample_weights=tensors.get("per_sample_weights"),
            **question.options,
        )
    return {"answer": output}

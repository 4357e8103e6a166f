"""Probes of one-hot vectors: their arguments, and what is computed with them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion


def by_position(question: ProbeQuestion) -> Answers:
    """Give the class values as the first argument."""
    return {"answer": F.one_hot(question.tensors["indices"])}


def by_keyword(question: ProbeQuestion) -> Answers:
    """Give the class values under the name `keyword`."""
    named: dict[str, Any] = {question.options["arguments"]["keyword"]: question.tensors["indices"]}
    return {"answer": F.one_hot(**named)}


def of_a_list(question: ProbeQuestion) -> Answers:
    """Give the class values as a list."""
    values: object = question.tensors["indices"].tolist()
    return {"answer": F.one_hot(values)}  # type: ignore[arg-type]


def product_without_conversion(question: ProbeQuestion) -> Answers:
    """Multiply the integer vectors by the table as they are."""
    return {"answer": _vectors(question) @ question.tensors["weight"]}


def gradient_of_product(question: ProbeQuestion) -> Answers:
    """Return the table's gradient of the vectors times the table, and that of the lookup."""
    indices, upstream = question.tensors["indices"], question.tensors["grad_output"]
    weight = question.tensors["weight"].clone().requires_grad_()
    product = _vectors(question).to(weight.dtype) @ weight
    lookup = F.embedding(indices, weight)
    return {
        "answer_of_product": torch.autograd.grad(product, weight, upstream)[0],
        "answer_of_lookup": torch.autograd.grad(lookup, weight, upstream)[0],
    }


def bags(question: ProbeQuestion) -> Answers:
    """Add up the vectors over each row of the class values, and multiply the sums by the table."""
    weight = question.tensors["weight"]
    return {"answer": _vectors(question).sum(dim=1).to(weight.dtype) @ weight}


def _vectors(question: ProbeQuestion) -> torch.Tensor:
    return F.one_hot(question.tensors["indices"], len(question.tensors["weight"]))

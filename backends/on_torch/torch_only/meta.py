"""Probes of tensors without data: the meta device and fake tensors, which know shapes only."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion


def lookup(question: ProbeQuestion) -> Answers:
    """Look up with all tensors on the meta device."""
    given = _on_meta(question.tensors)
    return _described(F.embedding(given["indices"], given["weight"], **question.options))


def bags(question: ProbeQuestion) -> Answers:
    """Reduce bags with all tensors on the meta device."""
    given = _on_meta(question.tensors)
    indices, weight = given.pop("indices"), given.pop("weight")
    return _described(F.embedding_bag(indices, weight, **given, **question.options))


def one_hot(question: ProbeQuestion) -> Answers:
    """Make one-hot vectors of class values on the meta device."""
    indices = question.tensors["indices"].to("meta")
    return _described(F.one_hot(indices, **question.options))


def meta_indices(question: ProbeQuestion) -> Answers:
    """Look up indices on the meta device in a table that has data."""
    return _described(
        F.embedding(question.tensors["indices"].to("meta"), question.tensors["weight"])
    )


def meta_weight(question: ProbeQuestion) -> Answers:
    """Look up indices that have data in a table on the meta device."""
    return _described(
        F.embedding(question.tensors["indices"], question.tensors["weight"].to("meta"))
    )


def fake_lookup(question: ProbeQuestion) -> Answers:
    """Look up with fake tensors."""
    with FakeTensorMode() as mode:
        given = {name: mode.from_tensor(tensor) for name, tensor in question.tensors.items()}
        return _described(F.embedding(given["indices"], given["weight"], **question.options))


def fake_bags(question: ProbeQuestion) -> Answers:
    """Reduce bags with fake tensors."""
    with FakeTensorMode() as mode:
        given = {name: mode.from_tensor(tensor) for name, tensor in question.tensors.items()}
        return _described(F.embedding_bag(given["indices"], given["weight"], **question.options))


def _on_meta(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: tensor.to("meta") for name, tensor in tensors.items()}


def _described(output: Tensor) -> Answers:
    return {"answer_shape": list(output.shape), "answer_device_text": str(output.device)}

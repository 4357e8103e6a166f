"""Probes of the function transforms: vmap, per-sample gradients, tangents, second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion, with_warnings


def vmap_indices(question: ProbeQuestion) -> Answers:
    """Look up in one table, mapped over the first dimension of the indices."""
    indices, weight = question.tensors["indices"], question.tensors["weight"].clone()
    mapped = torch.vmap(lambda each: F.embedding(each, weight, **question.options))
    return {"answer": mapped(indices)}


def vmap_weights(question: ProbeQuestion) -> Answers:
    """Look the same indices up, mapped over the first dimension of the weight."""
    indices = question.tensors["indices"]
    mapped = torch.vmap(lambda each: F.embedding(indices, each, **question.options))
    return {"answer": mapped(question.tensors["weight"])}


def vmap_both(question: ProbeQuestion) -> Answers:
    """Look up, mapped over the first dimension of indices and weight together."""
    mapped = torch.vmap(lambda each, table: F.embedding(each, table, **question.options))
    return {"answer": mapped(question.tensors["indices"], question.tensors["weight"])}


def vmap_bags(question: ProbeQuestion) -> Answers:
    """Reduce lists of indices, mapped over their first dimension; return the warnings too."""
    weight, offsets = question.tensors["weight"], question.tensors["offsets"]
    mapped = torch.vmap(lambda each: F.embedding_bag(each, weight, offsets, **question.options))
    output, warned = with_warnings(lambda: mapped(question.tensors["indices"]))
    return {"answer": output, "answer_text": warned}


def vmap_one_hot(question: ProbeQuestion) -> Answers:
    """Make one-hot vectors, mapped over the first dimension of the class values."""
    mapped = torch.vmap(lambda each: F.one_hot(each, **question.options))
    return {"answer": mapped(question.tensors["indices"])}


def per_sample_gradients(question: ProbeQuestion) -> Answers:
    """Return the gradient of the output's sum for each row of the indices."""

    def total(weight: Tensor, indices: Tensor) -> Tensor:
        return F.embedding(indices, weight, **question.options).sum()

    mapped = torch.vmap(torch.func.grad(total), in_dims=(None, 0))
    return {"answer": mapped(question.tensors["weight"], question.tensors["indices"])}


def tangent(question: ProbeQuestion) -> Answers:
    """Return the lookup and its forward-mode tangent; the weight's tangent is 10 times itself."""
    return _tangent(question, F.embedding)


def tangent_of_bags(question: ProbeQuestion) -> Answers:
    """Return the bags and their forward-mode tangent; the weight's tangent is 10 times itself."""
    return _tangent(question, F.embedding_bag)


def _tangent(question: ProbeQuestion, function: Callable[..., Tensor]) -> Answers:
    indices, weight = question.tensors["indices"], question.tensors["weight"]
    pair: Any = torch.func.jvp(
        lambda table: function(indices, table, **question.options), (weight,), (10 * weight,)
    )
    return {"answer": pair[0], "answer_tangent": pair[1]}


def second_derivative(question: ProbeQuestion) -> Answers:
    """Return the gradient g, and the derivative of sum(g * weight) by the upstream gradient.

    The weight's gradient is linear in the upstream gradient.
    """
    weight = question.tensors["weight"].clone().requires_grad_()
    output = F.embedding(question.tensors["indices"], weight, **question.options)
    upstream = torch.ones_like(output, requires_grad=True)
    gradient = torch.autograd.grad(output, weight, upstream, create_graph=True)[0]
    slope = torch.autograd.grad((gradient * weight.detach()).sum(), upstream)[0]
    return {"answer": gradient, "answer_slope": slope}


def second_derivative_of_bags(question: ProbeQuestion) -> Answers:
    """Return the weight's gradient of sum(g), where g is its gradient of sum(output ** 2)."""
    weight = question.tensors["weight"].clone().requires_grad_()
    output = F.embedding_bag(question.tensors["indices"], weight, **question.options)
    gradient = torch.autograd.grad(output.square().sum(), weight, create_graph=True)[0]
    return {"answer": torch.autograd.grad(gradient.sum(), weight)[0]}


class _Named(Tensor):
    """A tensor for which every function returns its own name."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> str:
        return str(func.__name__)


def subclass(question: ProbeQuestion) -> Answers:
    """Call both functions with indices of a subclass that overrides them; return its answers."""
    indices = question.tensors["indices"].as_subclass(_Named)
    functions: tuple[Callable[..., Any], ...] = (F.embedding, F.embedding_bag)
    weight = question.tensors["weight"]
    return {"answer_text": " ".join(function(indices, weight) for function in functions)}


def deterministic_gradient(question: ProbeQuestion) -> Answers:
    """Return the gradient of a lookup and of bags together, by deterministic algorithms only."""
    indices = question.tensors["indices"]
    weight = question.tensors["weight"].clone().requires_grad_()
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    try:
        total = (
            F.embedding(indices, weight).sum() + F.embedding_bag(indices, weight, mode="sum").sum()
        )
        return {"answer": torch.autograd.grad(total, weight)[0]}
    finally:
        # The switch holds for the whole process, in which other calls follow.
        torch.use_deterministic_algorithms(mode=before)

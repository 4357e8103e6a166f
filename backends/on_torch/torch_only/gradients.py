"""Probes of gradients: through other operations, over several lookups, of higher order."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion


def through(question: ProbeQuestion) -> Answers:
    """Look up in the weight times `factor`; return the gradient of the weight itself."""
    options, weight = dict(question.options), _leaf(question)
    factor = options.pop("arguments")["factor"]
    output = embedding(question.tensors["indices"], weight * factor, **options)
    return _described(torch.autograd.grad(output.sum(), weight)[0])


def accumulated(question: ProbeQuestion) -> Answers:
    """Return the gradient that several `lookups` in one weight accumulate.

    Each has its own indices and options. Each is differentiated at once after its lookup or, with
    the argument `at_once`, all are differentiated together at the end.
    """
    weight, total = _leaf(question), torch.zeros(())
    for lookup in question.options["arguments"]["lookups"]:
        indices = torch.tensor(lookup["indices"], device=question.device)
        options = {name: value for name, value in lookup.items() if name != "indices"}
        loss: Any = embedding(indices, weight, **options).sum()
        total = total + loss
        # Each backward pass adds to `weight.grad`, as in training over several batches.
        if not question.options["arguments"].get("at_once"):
            loss.backward()
    if question.options["arguments"].get("at_once"):
        total.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None  # noqa: S101  (backward was called)
    return _described(weight.grad)


def weight_changed(question: ProbeQuestion) -> Answers:
    """Double the weight between lookup and differentiation; return the gradient."""
    weight = _leaf(question)
    output = embedding(question.tensors["indices"], weight)
    with torch.no_grad():
        weight.mul_(2)
    return {"answer": torch.autograd.grad(output.sum(), weight)[0]}


def indices_changed(question: ProbeQuestion) -> Answers:
    """Set all indices to 1 between lookup and differentiation; return the gradient."""
    weight, indices = _leaf(question), question.tensors["indices"].clone()
    output = embedding(indices, weight, **question.options)
    indices.fill_(1)
    return _described(torch.autograd.grad(output.sum(), weight)[0])


def indices_changed_afterwards(question: ProbeQuestion) -> Answers:
    """Set all indices to 1 after differentiation; return the gradient that the weight has then.

    The option `object` names the function, embedding or embedding_bag.
    """
    options, weight = dict(question.options), _leaf(question)
    indices = question.tensors["indices"].clone()
    looked_up: Any = getattr(torch.nn.functional, options.pop("object"))(indices, weight, **options)
    looked_up.sum().backward()
    indices.fill_(1)
    assert weight.grad is not None  # noqa: S101  (backward was called)
    return _described(weight.grad.clone())


def checks(question: ProbeQuestion) -> Answers:
    """Compare first and second derivatives with numeric ones; raises where they differ."""
    look_up = partial(embedding, question.tensors["indices"], **question.options)
    return {
        "answer": torch.autograd.gradcheck(look_up, (_leaf(question),)),
        "answer_second": torch.autograd.gradgradcheck(look_up, (_leaf(question),)),
    }


def tangent(question: ProbeQuestion) -> Answers:
    """Return the lookup and its forward-mode tangent; the weight's is `tangent` everywhere."""
    options, weight = dict(question.options), question.tensors["weight"]
    direction = torch.full_like(weight, options.pop("arguments")["tangent"])
    look_up = partial(embedding, question.tensors["indices"], **options)
    both: Any = torch.func.jvp(look_up, (weight,), (direction,))
    return {"answer": both[0], "answer_tangent": both[1]}


def second_order(question: ProbeQuestion) -> Answers:
    """Return the gradient g, and the derivative of sum(g * factors) by the upstream gradient."""
    options, weight = dict(question.options), _leaf(question)
    factors = weight.new_tensor(options.pop("arguments")["factors"])
    output = embedding(question.tensors["indices"], weight, **options)
    upstream = torch.ones_like(output, requires_grad=True)
    (gradient,) = torch.autograd.grad(output, weight, upstream, create_graph=True)
    (second,) = torch.autograd.grad((gradient * factors).sum(), upstream)
    return {"answer": gradient, "answer_second": second}


def _leaf(question: ProbeQuestion) -> Tensor:
    return question.tensors["weight"].clone().requires_grad_()


def _described(gradient: Tensor) -> Answers:
    """Return a gradient as a dense tensor, and its entries if it is sparse."""
    answers: dict[str, Any] = {"answer": gradient, "answer_is_sparse": gradient.is_sparse}
    if gradient.is_sparse:
        answers["answer_rows"] = gradient._indices()[0]  # noqa: SLF001  (entries as stored)
        answers["answer_values"] = gradient._values()  # noqa: SLF001
    return answers

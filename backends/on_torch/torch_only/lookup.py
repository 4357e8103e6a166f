"""Probes of a lookup: what it takes as an index, and its output and weight afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn.functional import embedding

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion

_Embedding: Any = torch.nn.Embedding

_FORMS: dict[str, Callable[[torch.Tensor], Any]] = {
    "tensor": lambda tensor: tensor,
    "list": torch.Tensor.tolist,
    "number": torch.Tensor.item,
    "none": lambda _: None,
}

_CONTEXTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "eval": nullcontext,
}


def contiguity(question: ProbeQuestion) -> Answers:
    """Return whether the output is contiguous."""
    return {"answer": embedding(**_arguments(question)).is_contiguous()}


def requires_grad(question: ProbeQuestion) -> Answers:
    """Return whether the output requires gradients in three cases.

    The weight does not require gradients, it does, and it does but the lookup is under `no_grad`.
    """
    indices, weight = question.tensors["indices"], question.tensors["weight"]
    learnt = weight.clone().requires_grad_()
    with torch.no_grad():
        without = embedding(indices, learnt)
    outputs = (embedding(indices, weight), embedding(indices, learnt), without)
    return {"answer": [output.requires_grad for output in outputs]}


def nested(question: ProbeQuestion) -> Answers:
    """Look up jagged indices, cut at `offsets`; return the output's parts, and the gradient."""
    weight = question.tensors["weight"].clone().requires_grad_()
    jagged = torch.nested.nested_tensor_from_jagged(
        question.tensors["indices"], question.tensors["offsets"]
    )
    output: Any = embedding(jagged, weight)
    return {
        "answer": output.values(),
        "answer_offsets": output.offsets(),
        "answer_is_nested": output.is_nested,
        "answer_gradient": torch.autograd.grad(output.values().sum(), weight)[0],
    }


def python_objects(question: ProbeQuestion) -> Answers:
    """Give the function each input in its form in `arguments`: tensor, list, number or none."""
    return {"answer": embedding(**_in_forms(question))}


def python_objects_in_module(question: ProbeQuestion) -> Answers:
    """Give the module its indices in their form in `arguments`."""
    inputs = _in_forms(question)
    return {"answer": _Embedding.from_pretrained(inputs["weight"])(inputs["input"])}


def after_refusal(question: ProbeQuestion) -> Answers:
    """Look up what PyTorch refuses; return the exception's class name and the weight afterwards."""
    refusal = ""
    try:
        embedding(**_arguments(question))
    except (IndexError, RuntimeError) as error:
        refusal = type(error).__name__
    return {"answer_text": refusal, "answer": question.tensors["weight"]}


def twice(question: ProbeQuestion) -> Answers:
    """Look up twice; return the first output, and the second output minus the first."""
    first = embedding(**_arguments(question)).clone()
    return {"answer": first, "answer_change": embedding(**_arguments(question)) - first}


def without_training(question: ProbeQuestion) -> Answers:
    """Look up by a frozen module in evaluation mode, or `under` a context; return the weight."""
    under, options = question.options["arguments"]["under"], dict(question.options)
    del options["arguments"]
    weight = question.tensors["weight"]
    # On the question's own tensor, so that a change of the weight is seen.
    module = _Embedding.from_pretrained(weight, freeze=under == "eval", **options)
    module.train(under != "eval")
    with _CONTEXTS[under]():
        module(question.tensors["indices"])
    return {"answer": weight}


def _arguments(question: ProbeQuestion) -> dict[str, Any]:
    tensors = question.tensors
    return {"input": tensors["indices"], "weight": tensors["weight"], **question.options}


def _in_forms(question: ProbeQuestion) -> dict[str, Any]:
    forms = question.options["arguments"]
    given = {
        name: _FORMS[forms.get(name, "tensor")](tensor) for name, tensor in question.tensors.items()
    }
    return {"input": given["indices"], "weight": given["weight"]}

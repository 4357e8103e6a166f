"""Probes of `from_pretrained`: what it takes, and the module that it makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion

_Embedding: Any = torch.nn.Embedding

_FORMS: dict[str, Callable[[torch.Tensor], Any]] = {
    "tensor": lambda tensor: tensor,
    "list": torch.Tensor.tolist,
    "array": lambda tensor: tensor.cpu().numpy(),
}


class Subclass(torch.nn.Embedding):
    """A class of the user's own."""


def of_form(question: ProbeQuestion) -> Answers:
    """Make a module of the weight as a `tensor`, `list` or NumPy `array`; return a lookup."""
    form = _FORMS[question.options["arguments"]["form"]]
    module = _Embedding.from_pretrained(form(question.tensors["weight"]))
    return {"answer": module(question.tensors["indices"])}


def of_parameter(question: ProbeQuestion) -> Answers:
    """Make a frozen module of a parameter; return which is trainable, and what they share."""
    parameter = torch.nn.Parameter(question.tensors["weight"].clone())
    module = _Embedding.from_pretrained(parameter)
    return {
        "answer_is_the_parameter": module.weight is parameter,
        "answer_trainable": [module.weight.requires_grad, parameter.requires_grad],
        "answer_shares_memory": module.weight.data_ptr() == parameter.data_ptr(),
    }


def of_computed(question: ProbeQuestion) -> Answers:
    """Make a module of twice a tensor; return its gradient, and whether that tensor has one."""
    source = question.tensors["weight"].clone().requires_grad_()
    module = _Embedding.from_pretrained(source * 2, freeze=False)
    module(question.tensors["indices"]).sum().backward()
    return {
        "answer": module.weight.grad,
        "answer_is_leaf": module.weight.is_leaf,
        "answer_source_has_gradient": source.grad is not None,
    }


def of_subclass(question: ProbeQuestion) -> Answers:
    """Call `from_pretrained` of a subclass; return the class name of the module that it makes."""
    subclass: Any = Subclass
    return {"answer_text": type(subclass.from_pretrained(question.tensors["weight"])).__name__}


def of_instance(question: ProbeQuestion) -> Answers:
    """Call `from_pretrained` of a 9 x 9 module with padding; return the printed new module."""
    # Its size and options differ from the weight's, so anything taken from them would show.
    instance = _Embedding(9, 9, padding_idx=0)
    return {"answer_text": repr(instance.from_pretrained(question.tensors["weight"]))}

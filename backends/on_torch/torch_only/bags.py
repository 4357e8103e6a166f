"""Probes of bags: what the arguments, checks and gradients of PyTorch's own bags do."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion, with_warnings


def _reduce(question: ProbeQuestion, **sources: torch.Tensor) -> torch.Tensor:
    tensors: dict[str, Any] = {**question.tensors, **sources}
    indices, weight = tensors.pop("indices"), tensors.pop("weight")
    options = {name: value for name, value in question.options.items() if name != "arguments"}
    return F.embedding_bag(indices, weight, **tensors, **options)


def positional(question: ProbeQuestion) -> Answers:
    """Make a module from the positional arguments `positional`, and return its options."""
    module = torch.nn.EmbeddingBag(*question.options["arguments"]["positional"])
    numbers = ("max_norm", "norm_type", "padding_idx")
    flags = ("scale_grad_by_freq", "sparse", "include_last_offset")
    return {
        "answer_mode_text": module.mode,
        **{f"answer_{name}": getattr(module, name) for name in (*numbers, *flags)},
    }


def reset(question: ProbeQuestion) -> Answers:
    """Fill a module's weight with 9, reset it, and return its padding row and what is still 9."""
    module = torch.nn.EmbeddingBag(**question.options)
    with torch.no_grad():
        # A number that N(0, 1) does not draw.
        module.weight.fill_(9)
    module.reset_parameters()
    return {
        "answer_padding_row": module.weight[question.options["padding_idx"]],
        "answer_still_filled": module.weight == 9,
        "answer_state_text": " ".join(module.state_dict()),
    }


def called(question: ProbeQuestion) -> Answers:
    """Make a module, and return its output."""
    return {"answer": torch.nn.EmbeddingBag(**question.options)(question.tensors["indices"])}


def sign_of_zero(question: ProbeQuestion) -> Answers:
    """Return the sign bits of the output."""
    return {"answer": torch.signbit(_reduce(question))}


def requires_grad(question: ProbeQuestion) -> Answers:
    """Return whether the output requires a gradient if the input named by `of` does."""
    source = question.options["arguments"]["of"]
    changed = {name: tensor.clone() for name, tensor in question.tensors.items() if name == source}
    output = _reduce(question, **{name: copy.requires_grad_() for name, copy in changed.items()})
    return {"answer": output.requires_grad}


def weight_first(question: ProbeQuestion) -> Answers:
    """Call with the weight before the indices, and return the output; warnings are ignored."""
    indices, weight = question.tensors["indices"], question.tensors["weight"]
    output, _ = with_warnings(lambda: F.embedding_bag(weight, indices))
    return {"answer": output}


def weight_second(question: ProbeQuestion) -> Answers:
    """Call with the indices before the weight, also by position, and return the output."""
    return {"answer": F.embedding_bag(question.tensors["indices"], question.tensors["weight"])}


def complaint(question: ProbeQuestion) -> Answers:
    """Return the class name of the exception that the call raises, or an empty text."""
    try:
        _reduce(question)
    except Exception as error:  # noqa: BLE001  (which exception it is, is the answer)
        return {"answer_text": type(error).__name__}
    return {"answer_text": ""}


def gradient_after_change(question: ProbeQuestion) -> Answers:
    """Double the weight between the call and `backward`, and return its gradient."""
    weight = question.tensors["weight"].clone().requires_grad_()
    changed = {"weight": weight}
    if "per_sample_weights" in question.tensors:
        factors = question.tensors["per_sample_weights"].clone()
        changed["per_sample_weights"] = factors.requires_grad_()
    output = _reduce(question, **changed)
    with torch.no_grad():
        weight.mul_(2)
    return {"answer": torch.autograd.grad(output.sum(), weight)[0]}


def gradcheck(question: ProbeQuestion) -> Answers:
    """Compare the gradients of the floating inputs with finite differences."""
    names = [name for name, tensor in question.tensors.items() if tensor.is_floating_point()]
    sources = tuple(question.tensors[name].clone().requires_grad_() for name in names)

    def reduce(*given: torch.Tensor) -> torch.Tensor:
        return _reduce(question, **dict(zip(names, given, strict=True)))

    return {"answer": torch.autograd.gradcheck(reduce, sources)}

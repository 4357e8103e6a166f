"""Probes of training: what the optimisers of `torch.optim` make of the gradients of a lookup."""

from __future__ import annotations

from typing import Any

import torch

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion


def steps(question: ProbeQuestion) -> Answers:
    """Train the sum of a lookup by the optimiser `object` with `arguments`; return the weight."""
    module, arguments = _module(question), dict(question.options.get("arguments", {}))
    # What is left are the optimiser's own arguments.
    count = arguments.pop("steps", 1)
    optimiser = getattr(torch.optim, question.options["object"])(module.parameters(), **arguments)

    def loss() -> Any:
        optimiser.zero_grad()
        total = module(question.tensors["indices"]).sum()
        total.backward()
        return total

    for _ in range(count):
        # By a closure, which LBFGS demands and the others allow.
        optimiser.step(loss)
    return {"answer": module.weight}


def clipped(question: ProbeQuestion) -> Answers:
    """Clip the norm of a lookup's gradient to 1; return the gradient then."""
    module = _module(question)
    module(question.tensors["indices"]).sum().backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    return {"answer": module.weight.grad}


def _module(question: ProbeQuestion) -> Any:
    options = {k: v for k, v in question.options.items() if k not in ("object", "arguments")}
    weight = question.tensors["weight"].clone()
    embedding: Any = torch.nn.Embedding
    return embedding.from_pretrained(weight, freeze=False, **options)

"""Observations of a lookup in MLX: its output, gradients, a flag, and a training step.

Gradients come from `mx.grad`, or from `nn.value_and_grad` for a module. A training step is one step
of an optimiser of MLX. With a module a factor is trained, too, since MLX refuses a model in which
nothing is trainable. Adagrad gets PyTorch's epsilon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx import nn, optimizers

from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.composed.mlx_lookups import LOOKUPS
from embcheck.conformance.contract.call import Call, Observation

Arrays = dict[str, Any]

OPTIMISERS: dict[str, Callable[[], Any]] = {
    Observation.TRAINED_WEIGHT: lambda: optimizers.SGD(learning_rate=1.0),
    # PyTorch's epsilon: with MLX's own, 1e-8, small gradients would give another step.
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: lambda: optimizers.Adagrad(1.0, eps=1e-10),
}


def observe(call: Call, arrays: Arrays) -> Arrays:
    """Look up by an operation, and compute the other observations of the call."""
    observed = {"output": LOOKUPS.take(call, arrays)}
    upstream = arrays.get("grad_output", mx.ones_like(observed["output"]))

    def loss(source: mx.array, name: str) -> mx.array:
        return (LOOKUPS.take(call, {**arrays, name: source}) * upstream).sum()

    def loss_after_use(weight: mx.array) -> mx.array:
        return mx.square(weight).sum() + LOOKUPS.take(call, {**arrays, "weight": weight}).sum()

    for observation, name in GRADIENTS.items():
        if call.wants(observation):
            observed[observation] = mx.grad(loss)(arrays[name], name)
    if call.wants(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE):
        observed["grad_weight_after_earlier_use"] = mx.grad(loss_after_use)(arrays["weight"])
    for name, optimiser in OPTIMISERS.items():
        if call.wants(name):
            gradient = {"weight": mx.grad(loss)(arrays["weight"], "weight")}
            trained = optimiser().apply_gradients(gradient, {"weight": arrays["weight"]})
            observed[name] = trained["weight"]
    return observed


def observe_module(call: Call, module: nn.Embedding, arrays: Arrays) -> Arrays:
    """Look up by a module, and compute the other observations of the call."""
    observed = {"output": module(arrays["indices"])}
    upstream = arrays.get("grad_output", mx.ones_like(observed["output"]))
    if call.wants(Observation.TRAINABLE):
        observed["trainable"] = "weight" in module.trainable_parameters()
    if call.wants(Observation.GRAD_WEIGHT):
        loss = nn.value_and_grad(module, lambda indices: (module(indices) * upstream).sum())
        observed["grad_weight"] = loss(arrays["indices"])[1]["weight"]
    for name, optimiser in OPTIMISERS.items():
        if call.wants(name):
            _train(module, arrays["indices"], upstream, optimiser())
            observed[name] = module.weight
    return observed


def _train(module: nn.Embedding, indices: mx.array, upstream: mx.array, optimiser: Any) -> None:
    # `value_and_grad` refuses a model without trainable parameters, such as a frozen module.
    model = nn.Module()
    model.embedding, model.factor = module, upstream
    loss = nn.value_and_grad(model, lambda i: (module(i) * model.factor).sum())
    optimiser.update(model, loss(indices)[1])

"""Observations of a lookup in Keras: its output, gradients, flags, and a training step.

Gradients are taken by the function that a backend of Keras documents, for an operation's tensor, or
for a layer's variable through `stateless_call`. A training step is one step of a Keras optimiser
over the trainable variables and one more number, since Keras refuses to train nothing. Adagrad gets
PyTorch's initial accumulator and epsilon.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.on_keras.lookups import LOOKUPS
from embcheck.conformance.contract.call import Call, Observation, Operation

Tensors = dict[str, Any]
Gradient = Callable[[Callable[[Any], Any], Any], Any]
"""Returns the gradient of a scalar function at a tensor."""

_EARLIER_USES: dict[str, Callable[[Any], Any]] = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: lambda weight: weight,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: ops.copy,
}

_OPTIMISERS: dict[str, Callable[[], Any]] = {
    Observation.TRAINED_WEIGHT: lambda: keras.optimizers.SGD(1.0),
    # Keras's own are an accumulator of 0.1 and an epsilon of 1e-7.
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: lambda: keras.optimizers.Adagrad(
        1.0, initial_accumulator_value=0.0, epsilon=1e-10
    ),
}

DIFFERENTIATED = {*GRADIENTS, *_EARLIER_USES}
DERIVED = DIFFERENTIATED | {*_OPTIMISERS}


def observe(call: Call, tensors: Tensors, layer: Any, gradient: Gradient | None) -> Tensors:
    """Look up, and compute the other observations; `layer` is None for operations."""
    output = _look_up(call, tensors) if layer is None else layer(tensors["indices"])
    observed = {"output": output}
    if call.wants(Observation.PRODUCT):
        weight = tensors["weight"]
        observed["product"] = ops.matmul(ops.cast(output, weight.dtype), weight)
    if call.wants(Observation.TRAINABLE):
        observed["trainable"] = bool(layer.trainable_variables)
    if gradient is not None and call.wants(*DERIVED):
        table = tensors.get("weight") if layer is None else layer.embeddings.value
        upstream = tensors.get("grad_output", ops.ones_like(output))
        loss = partial(_loss, call, tensors, layer, upstream)
        observed |= _differentiate(call, {**tensors, "weight": table}, loss, gradient)
        observed |= _train(call, tensors, layer, loss, gradient)
    return observed


def _look_up(call: Call, tensors: Tensors) -> Any:
    if call.operation is Operation.ONE_HOT:
        return ops.one_hot(tensors["indices"], call.options["num_classes"], dtype="int64")
    return LOOKUPS.take(call, tensors)


def _loss(call: Call, tensors: Tensors, layer: Any, upstream: Any, name: str, source: Any) -> Any:
    """Return sum(output * upstream), with `source` in place of the tensor of that name."""
    if layer is None:
        output = _look_up(call, {**tensors, name: source})
    else:
        # A layer looks up in its own variable; this is Keras's way to pass another one.
        output = layer.stateless_call([source], [], tensors["indices"])[0]
    return ops.sum(ops.multiply(output, upstream))


def _differentiate(
    call: Call, tensors: Tensors, loss: Callable[[str, Any], Any], gradient: Gradient
) -> Tensors:
    found: Tensors = {
        observation: gradient(partial(loss, name), tensors[name])
        for observation, name in GRADIENTS.items()
        if call.wants(observation)
    }

    def total(use: Callable[[Any], Any], weight: Any) -> Any:
        return ops.add(ops.sum(ops.square(use(weight))), loss("weight", weight))

    for observation, use in _EARLIER_USES.items():
        if call.wants(observation):
            found[observation] = gradient(partial(total, use), tensors["weight"])
    return found


def _train(
    call: Call, tensors: Tensors, layer: Any, loss: Callable[[str, Any], Any], gradient: Gradient
) -> Tensors:
    found: Tensors = {}
    for observation, make in _OPTIMISERS.items():
        if not call.wants(observation):
            continue
        # An optimiser updates variables only.
        table = keras.Variable(tensors["weight"]) if layer is None else layer.embeddings
        trained = [table] if layer is None else layer.trainable_variables
        company = keras.Variable(ops.ones(1))
        gradients = [gradient(partial(loss, "weight"), variable.value) for variable in trained]
        make().apply([*gradients, ops.ones(1)], [*trained, company])
        found[observation] = table.value
    return found

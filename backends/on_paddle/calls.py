"""The tensors, layers and lookups that a call of Paddle is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import Tensor

from embcheck.backends.composed import composition
from embcheck.backends.on_paddle.lookups import reduce_matrix, reduce_segments, to_tensor
from embcheck.backends.on_paddle.observe import PreparedLookup, Tensors
from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)
from embcheck.conformance.contract.help import helps

LOOKUP_OPTIONS = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")

_OF_THE_WEIGHT = {*GRADIENT_OBSERVATIONS, *TRAINING_OBSERVATIONS} - {
    Observation.GRAD_PER_SAMPLE_WEIGHTS
}


def tensors_of(call: Call) -> Tensors:
    """Copy the inputs to tensors, and mark those of an operation whose gradients are wanted."""
    tensors = {name: to_tensor(array) for name, array in call.inputs.items()}
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        # By default, Paddle's tensors take part in no gradient.
        tensors["per_sample_weights"].stop_gradient = False
    # A layer's own parameter takes part by itself.
    if not call.operation.makes_module and call.wants(*_OF_THE_WEIGHT):
        tensors["weight"].stop_gradient = False
    return tensors


def of_layer(call: Call, tensors: Tensors, layer: Any) -> PreparedLookup:
    """Return the lookup of a layer, and the parameters that it lists for an optimiser."""
    return PreparedLookup(
        call, tensors, layer.weight, layer.parameters(), lambda: layer(tensors["indices"])
    )


def make_layer(call: Call, tensors: Tensors) -> Any:
    """Make the layer of a call, fresh or with a copy of the call's table."""
    if call.operation.is_fresh:
        return paddle.nn.Embedding(**call.options)
    weight, options = tensors["weight"], _lookup_options(call)
    # Not by `_weight`: `layer.parameters()` would not list the caller's tensor.
    initialiser = paddle.nn.initializer.Assign(weight)
    attribute = paddle.ParamAttr(initializer=initialiser, trainable=not call.is_frozen)
    sizes = weight.shape[0], weight.shape[-1]
    return paddle.nn.Embedding(*sizes, dtype=weight.dtype, weight_attr=attribute, **options)


def layer_of_the_tensor(call: Call, tensors: Tensors) -> Any:
    """Make a layer that keeps the caller's tensor."""
    weight, options = tensors["weight"], _lookup_options(call)
    sizes = weight.shape[0], weight.shape[-1]
    return paddle.nn.Embedding(*sizes, _weight=weight, _freeze=call.is_frozen, **options)


def lookup_of(
    call: Call, tensors: Tensors, reduce: Callable[..., Tensor] = reduce_segments
) -> Callable[[], Tensor]:
    """Return the lookup of an operation; `reduce` reduces bags that are given by offsets."""
    indices, options = tensors["indices"], call.options
    if call.operation is Operation.ONE_HOT:
        # Paddle's one_hot returns float32; its guide for PyTorch users converts it like this.
        return lambda: paddle.nn.functional.one_hot(indices, **options).astype("int64")
    weight = tensors["weight"]
    if call.operation is Operation.EMBEDDING:
        return lambda: paddle.nn.functional.embedding(indices, weight, **options)
    mode, factors = call.option("mode"), tensors.get("per_sample_weights")
    rows = _lookup_options(call)
    if "offsets" not in tensors:
        return lambda: reduce_matrix(indices, weight, mode, factors, **rows)
    offsets, ends_itself = tensors["offsets"], call.option("include_last_offset")
    if composition.ends_early(call):
        helps(composition.CUTS)

    def divide() -> Tensor:
        bounds = offsets
        if not ends_itself:
            # `concat` takes tensors of one dtype only.
            end = paddle.to_tensor([len(indices)], offsets.dtype)
            bounds = paddle.concat([offsets, end])
        return reduce(indices, weight, bounds, mode, factors, **rows)

    return divide


def _lookup_options(call: Call) -> dict[str, Any]:
    """Return those options of a call that Paddle's lookup takes."""
    return {name: call.options[name] for name in LOOKUP_OPTIONS if name in call.options}

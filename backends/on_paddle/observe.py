"""Observations of a lookup in Paddle: its output, gradients, flags, and a training step.

Gradients come from `paddle.grad`. With `sparse=True`, Paddle stores a gradient by its rows. A
training step is one step of an optimiser over the layer's own `parameters()`, or over the weight of
an operation. One more number is trained, too: without it, a frozen module would leave nothing to
train. SparseAdam is Paddle's Adam in lazy mode, which documents that it updates only the rows of a
sparse gradient. Adagrad gets PyTorch's epsilon; Paddle's is 1e-6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from embcheck.backends.on_paddle.lookups import to_array, to_dense
from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.contract.help import helps

Tensors = dict[str, Any]
"""Tensors by name; flags may be booleans."""

_EARLIER_USES: dict[str, Callable[[Tensor], Tensor]] = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: lambda weight: weight,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: Tensor.clone,
}

OF_THE_GRADIENT: dict[str, Callable[[Tensor], Any]] = {
    Observation.GRAD_WEIGHT: to_dense,
    Observation.GRAD_WEIGHT_IS_SPARSE: lambda gradient: gradient.is_selected_rows(),
    Observation.SPARSE_GRAD_ROWS: lambda gradient: np.array(gradient.rows(), np.int64),
    Observation.SPARSE_GRAD_VALUES: to_array,
}
"""What each observation reads from the gradient when it is converted to NumPy."""

_OPTIMISERS: dict[str, Callable[[list[Tensor]], Any]] = {
    Observation.TRAINED_WEIGHT: lambda trained: paddle.optimizer.SGD(1.0, trained),
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: lambda trained: paddle.optimizer.Adagrad(
        1.0, 1e-10, trained
    ),
    Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM: lambda trained: paddle.optimizer.Adam(
        # Otherwise Adam also moves the rows that no index names.
        1.0,
        parameters=trained,
        lazy_mode=True,
    ),
}


@dataclass(frozen=True)
class PreparedLookup:
    """A call's tensors, the weight that it works on (None without a table), and the lookup.

    `trained` lists the tensors that an optimiser gets.
    """

    call: Call
    tensors: Tensors
    weight: Any
    trained: list[Tensor]
    lookup: Callable[[], Tensor]


def observe(prepared: PreparedLookup) -> Tensors:
    """Look up, and compute the other observations of the call; flags are booleans."""
    call, tensors, weight = prepared.call, prepared.tensors, prepared.weight
    # Before the lookup, which may change the weight in place by `max_norm`.
    earlier = {n: use(weight).square().sum() for n, use in _EARLIER_USES.items() if call.wants(n)}
    output = prepared.lookup()
    observed: Tensors = {"output": output}
    if min(output.shape, default=0) < 0:
        helps("brings a tensor of a negative size home as an empty one")
    upstream = tensors.get("grad_output", paddle.ones_like(output))
    if call.wants(*OF_THE_GRADIENT):
        gradient = _gradient(output, weight, upstream)
        if call.wants(Observation.GRAD_WEIGHT) and gradient.is_selected_rows():
            helps("adds up the rows of a sparse gradient, which Paddle has no dense form of")
        observed |= {name: gradient for name in OF_THE_GRADIENT if call.wants(name)}
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        factors = tensors["per_sample_weights"]
        observed["grad_per_sample_weights"] = _gradient(output, factors, upstream)
    for name, term in earlier.items():
        observed[name] = _gradient(term + output.sum(), weight)
    if call.wants(Observation.PRODUCT):
        observed["product"] = output.astype(weight.dtype) @ weight
    observed |= _flags(prepared, output)
    for name, make in _OPTIMISERS.items():
        if call.wants(name):
            _train(make, prepared.trained, output, upstream)
            observed[name] = weight
    return observed


def _flags(prepared: PreparedLookup, output: Tensor) -> Tensors:
    call, weight, found = prepared.call, prepared.weight, {}
    if call.wants(Observation.TRAINABLE):
        # By identity: `in` would compare tensors element by element.
        listed = any(parameter is weight for parameter in prepared.trained)
        found["trainable"] = listed and not weight.stop_gradient
    if call.wants(Observation.SHARES_MEMORY):
        found["shares_memory"] = weight.data_ptr() == prepared.tensors["weight"].data_ptr()
    if call.wants(Observation.OUTPUT_SHARES_MEMORY):
        found["output_shares_memory"] = _overlap(output, weight)
    return found


def _gradient(output: Tensor, source: Tensor, upstream: Tensor | None = None) -> Tensor:
    # The graph is kept, since more than one gradient may be taken from it.
    (gradient,) = paddle.grad(output, source, upstream, retain_graph=True)
    return gradient


def _overlap(first: Tensor, second: Tensor) -> bool:
    """Return whether both tensors have memory in common."""
    starts = [tensor.data_ptr() for tensor in (first, second)]
    ends = [
        start + tensor.size * tensor.element_size()
        for start, tensor in zip(starts, (first, second), strict=True)
    ]
    return bool(max(starts) < min(ends))


def _train(
    make: Callable[[list[Tensor]], Any], trained: list[Tensor], output: Tensor, upstream: Tensor
) -> None:
    # Optimisers want one dtype for all, but SGD does not support half precision.
    is_double = output.dtype == paddle.float64
    company = paddle.ones([1], paddle.float64 if is_double else paddle.float32)
    company.stop_gradient = False
    optimiser = make([*trained, company])
    paddle.autograd.backward([output, company.clone()], [upstream, None])
    optimiser.step()
    # A thunk is called again: gradients would add up from call to call.
    optimiser.clear_grad()

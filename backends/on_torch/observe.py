"""Observations of a lookup in eager PyTorch: its output, gradients, flags, and a training step.

Gradients are taken for a leaf: the caller's tensor, made to require them, or the module's own
parameter. A training step is one step of an optimiser over a small model, which multiplies the
output by a factor. The factor starts as `grad_output` and is trained, too. Without it, `backward`
would have nothing to do for a frozen module, which PyTorch refuses. SparseAdam gets the weight
alone, since it refuses the dense gradient of the factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Optimizer, SparseAdam

from embcheck.conformance.contract.call import Call, Observation

Tensors = dict[str, Tensor]

_EARLIER_USES: dict[str, Callable[[Tensor], Tensor]] = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: lambda weight: weight,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: Tensor.clone,
}

_OF_THE_GRADIENT: dict[str, Callable[[Tensor], Tensor]] = {
    Observation.GRAD_WEIGHT: lambda gradient: gradient,
    Observation.GRAD_WEIGHT_IS_SPARSE: lambda gradient: torch.tensor(gradient.is_sparse),
    Observation.SPARSE_GRAD_ROWS: lambda gradient: gradient._indices()[0],  # noqa: SLF001
    Observation.SPARSE_GRAD_VALUES: lambda gradient: gradient._values(),  # noqa: SLF001
}
"""`_indices` and `_values` show entries as stored; `indices` and `values` need merged entries."""

_OPTIMISERS: dict[str, Callable[[Tensor, Tensor], Optimizer]] = {
    Observation.TRAINED_WEIGHT: lambda weight, factor: SGD([weight, factor], lr=1),
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: lambda weight, factor: Adagrad([weight, factor], lr=1),
    Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM: lambda weight, _: SparseAdam([weight], lr=1),
}


@dataclass(frozen=True)
class Prepared:
    """A call's tensors, the weight that it works on (None without a table), and the lookup."""

    call: Call
    tensors: Tensors
    weight: Any
    lookup: Callable[[], Tensor]


def observe(prepared: Prepared) -> Tensors:
    """Look up, and compute the other observations of the call."""
    call, tensors, weight = prepared.call, prepared.tensors, prepared.weight
    # Before the lookup, which may change the weight in place by `max_norm`.
    earlier = {n: use(weight).square().sum() for n, use in _EARLIER_USES.items() if call.wants(n)}
    output = prepared.lookup()
    observed = {"output": output}
    upstream = tensors.get("grad_output", torch.ones_like(output))
    retain = _passes(call) > 1
    # One backward pass for both gradients, as training does it.
    sources: Tensors = {Observation.GRAD_WEIGHT: weight} if call.wants(*_OF_THE_GRADIENT) else {}
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        sources[Observation.GRAD_PER_SAMPLE_WEIGHTS] = tensors["per_sample_weights"]
    if sources:
        observed |= _shown(call, _gradients(output, sources, upstream, retain))
    for name, term in earlier.items():
        observed |= _gradients(term + output.sum(), {name: weight}, None, retain)
    if call.wants(Observation.PRODUCT):
        observed["product"] = output.to(weight.dtype) @ weight
    if call.wants(Observation.TRAINABLE):
        observed["trainable"] = torch.tensor(weight.requires_grad)
    if call.wants(Observation.SHARES_MEMORY):
        observed["shares_memory"] = torch.tensor(weight.data_ptr() == tensors["weight"].data_ptr())
    if call.wants(Observation.OUTPUT_SHARES_MEMORY):
        observed["output_shares_memory"] = torch.tensor(_overlap(output, weight))
    for name, make in _OPTIMISERS.items():
        if call.wants(name):
            observed[name] = _train(make, weight, output, upstream)
    return observed


def _passes(call: Call) -> int:
    """Count the backward passes; all but the last must keep the graph for the next."""
    gradients = call.wants(*_OF_THE_GRADIENT, Observation.GRAD_PER_SAMPLE_WEIGHTS)
    return gradients + sum(call.wants(name) for name in (*_EARLIER_USES, *_OPTIMISERS))


def _gradients(output: Tensor, sources: Tensors, upstream: Tensor | None, retain: bool) -> Tensors:
    """Return the gradients for the tensors in `sources`, under the same names."""
    wanted = list(sources.values())
    gradients = torch.autograd.grad(output, wanted, upstream, retain_graph=retain)
    return dict(zip(sources, gradients, strict=True))


def _shown(call: Call, gradients: Tensors) -> Tensors:
    """Return the observations of gradients that a call asks for."""
    others = {n: gradient for n, gradient in gradients.items() if n != Observation.GRAD_WEIGHT}
    wanted = {n: show for n, show in _OF_THE_GRADIENT.items() if call.wants(n)}
    return others | {n: show(gradients[Observation.GRAD_WEIGHT]) for n, show in wanted.items()}


def _overlap(output: Tensor, weight: Tensor) -> bool:
    """Return whether both are views of one storage that is not empty."""
    # By storage, not by address: a view may begin anywhere in it.
    first, second = output.untyped_storage(), weight.untyped_storage()
    return first.nbytes() > 0 and first.data_ptr() == second.data_ptr()


def _train(
    make: Callable[[Tensor, Tensor], Optimizer], weight: Tensor, output: Tensor, upstream: Tensor
) -> Tensor:
    # A copy, since the step changes the factor.
    factor = torch.nn.Parameter(upstream.clone())
    optimiser = make(weight, factor)
    loss: Any = (output * factor).sum()
    loss.backward()
    optimiser.step()
    # A thunk is called again: gradients would add up from call to call.
    optimiser.zero_grad()
    return weight

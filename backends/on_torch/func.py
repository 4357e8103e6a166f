"""PyTorch's function transforms: `torch.func.functional_call`, `torch.vmap` and `torch.func.vjp`.

A module is called with its weight as an argument. Indices of two or more dimensions are mapped over
the first by `vmap`, a matrix of bags as a batch of one bag each. Gradients are `vjp`'s:
https://docs.pytorch.org/tutorials/intermediate/per_sample_grads.html shows all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vjp

from embcheck.backends.composed.answers import brought_home
from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.on_torch import func_script
from embcheck.backends.on_torch.calls import Answer, Target, target_of
from embcheck.backends.on_torch.device import blocking, require_cuda
from embcheck.backends.on_torch.func_script import MAPPED
from embcheck.backends.on_torch.names import SPELLINGS, to_array
from embcheck.backends.on_torch.observe import Tensors
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_LACKING = {
    *(Capability.SPARSE_GRADIENTS, Capability.TRAINING, Capability.ADAGRAD),
    *(Capability.SPARSE_ADAM, Capability.SHARED_MEMORY),
}

_OBSERVABLE = {"output", "product", "weight_after", "inputs_after"}

_EARLIER_USES: dict[str, Callable[[Tensor], Tensor]] = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: lambda weight: weight,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: Tensor.clone,
}


class TorchFunc:
    """PyTorch by its function transforms, on one device."""

    def __init__(self, name: str, device: str) -> None:
        self.info = BackendInfo(
            id=name,
            library="torch",
            version=torch.__version__,
            device=device,
            **processor(),
            operations={
                operation: Provided(Provision.NATIVE, _spelling(operation))
                for operation in SPELLINGS
            },
            capabilities=frozenset(Capability) - _LACKING,
            # A bad index trips an assertion in the kernel, which ends the use of CUDA.
            fresh_worker_after_bad_index=device == "cuda",
            made_from="torch-eager",
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make plain tensors, also of a module's weight, and return a thunk of the observations."""
        for name in call.observe:
            if name not in {*_OBSERVABLE, *GRADIENTS, *_EARLIER_USES}:
                raise Unsupported(f"function transforms have no {name}")
        device = self.info.device
        target = target_of(call, device)
        # Transforms differentiate without leaves.
        arguments = {name: tensor.detach() for name, tensor in target.arguments.items()}
        if target.weight is not None:
            arguments["weight"] = target.weight.detach()
        is_plain = call.observe == (Observation.OUTPUT,)
        show = _look_up_only if is_plain else _observe
        found = target.tensors if call.wants_inputs else {}
        return blocking(lambda: (show(target, arguments), found), device)

    def script(self, call: Call) -> str:
        """Write a call by the same transforms."""
        return func_script.write(call, self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """View the tensors as arrays."""
        return brought_home(answer, to_array)


def on_cpu() -> TorchFunc:
    """Make the backend `torch-func`."""
    return TorchFunc("torch-func", "cpu")


def on_cuda() -> TorchFunc:
    """Make the backend `torch-func@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    return TorchFunc("torch-func@cuda", "cuda")


def _spelling(operation: Operation) -> str:
    how = SPELLINGS[operation]
    called = f"torch.func.functional_call of {how}" if operation.makes_module else how
    return f"{called}, torch.vmap over the first of several dimensions"


def _look_up(target: Target, arguments: Tensors) -> Tensor:
    if arguments["indices"].ndim < 2:
        return _call(target, arguments)
    dimensions = {name: 0 if name in MAPPED else None for name in arguments}
    one = _call_one_bag if target.call.operation.is_bag else _call
    output: Tensor = torch.vmap(partial(one, target), in_dims=(dimensions,))(arguments)
    return output


def _call_one_bag(target: Target, arguments: Tensors) -> Tensor:
    # `vmap` over a matrix gives 1-D bags, which would need offsets: make each a matrix of one row.
    batch = {n: a.unsqueeze(0) if n in MAPPED else a for n, a in arguments.items()}
    return _call(target, batch).squeeze(0)


def _call(target: Target, arguments: Tensors) -> Tensor:
    others = {name: tensor for name, tensor in arguments.items() if name != "indices"}
    function: Any = target.function
    output: Tensor
    if target.is_module:
        weights = {"weight": others.pop("weight")}
        output = functional_call(function, weights, (arguments["indices"],), others)
    else:
        if target.call.operation is Operation.ONE_HOT:
            others.pop("weight", None)
        output = function(arguments["indices"], **others, **target.options)
    return output


def _look_up_only(target: Target, arguments: Tensors) -> Tensors:
    return {"output": _look_up(target, arguments)}


def _observe(target: Target, arguments: Tensors) -> Tensors:
    """Look up once, and compute the other observations of the call."""
    call = target.call
    if call.wants(*GRADIENTS, *_EARLIER_USES):
        return _differentiate(target, arguments)
    observed = {"output": _look_up(target, arguments)}
    if call.wants(Observation.PRODUCT):
        weight = arguments["weight"]
        observed["product"] = observed["output"].to(weight.dtype) @ weight
    return observed


def _differentiate(target: Target, arguments: Tensors) -> Tensors:
    wanted = target.call.wants
    # One forward pass for all gradients, since `max_norm` would change the weight in each pass.
    uses = {name: use for name, use in _EARLIER_USES.items() if wanted(name)}
    sources = {name: source for name, source in GRADIENTS.items() if wanted(name)}
    names = {*sources.values(), *(["weight"] if uses else [])}

    def forward(given: Tensors) -> tuple[Tensor, Tensors]:
        earlier = {name: use(given["weight"]).square().sum() for name, use in uses.items()}
        return _look_up(target, {**arguments, **given}), earlier

    pulled: Any = vjp(forward, {name: arguments[name] for name in names})
    (output, earlier), pull_back = pulled
    # `vjp` wants a cotangent for each output: zeros for those that are not wanted.
    none = {name: torch.zeros_like(term) for name, term in earlier.items()}
    upstream = target.tensors.get("grad_output", torch.ones_like(output))
    observed = {"output": output}
    for observation, name in sources.items():
        observed[observation] = pull_back((upstream, none))[0][name]
    for observation, term in earlier.items():
        pulled = pull_back((torch.ones_like(output), {**none, observation: torch.ones_like(term)}))
        observed[observation] = pulled[0]["weight"]
    return observed

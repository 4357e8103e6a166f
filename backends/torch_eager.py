"""PyTorch, eager, called as its documentation shows: functions of `F`, modules of `nn`.

The caller's arrays become tensors that share their memory on the CPU, so what PyTorch writes to
them is seen. Gradients are those of a leaf: the caller's tensor, asked to require them, or the
module's own parameter. A training step is SGD over a small model: the module, then a factor for
each output that starts as `grad_output` and is trained too. Without that company a frozen module
would leave `backward` nothing to do, which PyTorch refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embcheck.backends.torch_names import SPELLINGS, function_of, makes_module, to_tensor
from embcheck.backends.torch_only import probes
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unavailable,
)
from embcheck.conformance.contract.call import GRADIENT_OBSERVATIONS, Call, Observation, Operation

Tensors = dict[str, Tensor]
Answer = tuple[Mapping[str, Any], Tensors]
"""What was observed, by name, and the tensors that the caller finds after the call."""

_EARLIER_USES: dict[str, Callable[[Tensor], Tensor]] = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: lambda weight: weight,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: Tensor.clone,
}


@dataclass(frozen=True)
class _Prepared:
    """A call's tensors, the weight that it works on (None for a mere one_hot), and the lookup."""

    call: Call
    tensors: Tensors
    weight: Any
    lookup: Callable[[], Tensor]


class TorchEager:
    """Eager PyTorch on one device."""

    def __init__(self, name: str, device: str) -> None:
        self.info = BackendInfo(
            id=name,
            library="torch",
            version=torch.__version__,
            device=device,
            operations={
                name: Provided(Provision.NATIVE, how)
                for name, how in {**SPELLINGS, Operation.PROBE: "torch"}.items()
            },
            capabilities=frozenset(Capability),
            # A bad index trips an assertion in the kernel, which ends the use of CUDA.
            fresh_worker_after_bad_index=device == "cuda",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make the tensors and the module, and return the lookup with what is to be observed."""
        if call.operation is Operation.PROBE:
            return _blocking(probes.prepare(call, self.info.device), self.info.device)
        prepared = _prepare(call, self.info.device)
        lookup, tensors = prepared.lookup, prepared.tensors
        if call.observe == (Observation.OUTPUT,):
            return _blocking(lambda: ({"output": lookup()}, tensors), self.info.device)
        return _blocking(lambda: (_observe(prepared), tensors), self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Bring tensors off the device; a sparse gradient becomes dense only here."""
        return probes.to_numpy(*answer)


def on_cpu() -> TorchEager:
    """Make the backend `torch-eager`."""
    return TorchEager("torch-eager", "cpu")


def on_cuda() -> TorchEager:
    """Make the backend `torch-eager@cuda`; raises Unavailable without a CUDA device."""
    if not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} finds no CUDA device")
    return TorchEager("torch-eager@cuda", "cuda")


def _blocking(run: Callable[[], Answer], device: str) -> Callable[[], Answer]:
    def run_and_wait() -> Answer:
        answer = run()
        torch.cuda.synchronize()
        return answer

    return run_and_wait if device == "cuda" else run


def _prepare(call: Call, device: str) -> _Prepared:
    tensors = {name: to_tensor(array).to(device) for name, array in call.inputs.items()}
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        tensors["per_sample_weights"].requires_grad_()
    function = function_of(call.operation)
    arguments, options = [tensors["indices"]], call.options
    bags = {name: tensors[name] for name in ("offsets", "per_sample_weights") if name in tensors}
    if makes_module(call.operation):
        module = _module(call, function, tensors, device)
        return _Prepared(call, tensors, module.weight, lambda: module(*arguments, **bags))
    if call.operation is not Operation.ONE_HOT:
        arguments.append(tensors["weight"])
    if call.wants(*GRADIENT_OBSERVATIONS - {"grad_per_sample_weights"}, "trained_weight"):
        tensors["weight"].requires_grad_()
    weight = tensors.get("weight")
    return _Prepared(call, tensors, weight, lambda: function(*arguments, **bags, **options))


def _module(call: Call, make: Callable[..., Any], tensors: Tensors, device: str) -> Any:
    """Make the module; a fresh one's weight joins the tensors that the caller finds."""
    if call.operation.value.endswith("from_pretrained"):
        return make(tensors["weight"], **call.options)
    options = dict(call.options)
    if "dtype" in options:
        options["dtype"] = getattr(torch, options["dtype"])
    module = make(**options, device=device)
    tensors["weight"] = module.weight
    return module


def _observe(prepared: _Prepared) -> Tensors:
    """Look up, and derive what else the call is to show."""
    call, tensors, weight = prepared.call, prepared.tensors, prepared.weight
    earlier = {n: use(weight).square().sum() for n, use in _EARLIER_USES.items() if call.wants(n)}
    output = prepared.lookup()
    observed = {"output": output}
    upstream = tensors.get("grad_output", torch.ones_like(output))
    if call.wants(Observation.GRAD_WEIGHT):
        observed["grad_weight"] = _gradient(output, weight, upstream)
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        factors = tensors["per_sample_weights"]
        observed["grad_per_sample_weights"] = _gradient(output, factors, upstream)
    for name, term in earlier.items():
        observed[name] = _gradient(term + output.sum(), weight)
    if call.wants(Observation.PRODUCT):
        observed["product"] = output.to(weight.dtype) @ weight
    if call.wants(Observation.TRAINABLE):
        observed["trainable"] = torch.tensor(weight.requires_grad)
    if call.wants(Observation.SHARES_MEMORY):
        observed["shares_memory"] = torch.tensor(weight.data_ptr() == tensors["weight"].data_ptr())
    if call.wants(Observation.TRAINED_WEIGHT):
        observed["trained_weight"] = _train(weight, output, upstream)
    return observed


def _gradient(output: Tensor, source: Tensor, upstream: Tensor | None = None) -> Tensor:
    return torch.autograd.grad(output, source, upstream, retain_graph=True)[0]


def _train(weight: Tensor, output: Tensor, upstream: Tensor) -> Tensor:
    factor = torch.nn.Parameter(upstream.clone())
    optimiser = torch.optim.SGD([weight, factor], lr=1)
    loss: Any = (output * factor).sum()
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return weight

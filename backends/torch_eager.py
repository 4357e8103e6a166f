"""PyTorch, eager, called as its documentation shows: functions of `F`, modules of `nn`.

The caller's arrays become tensors that share their memory on the CPU, so what PyTorch writes to
them is seen. What is derived from a lookup stands in `torch_observe`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from embcheck.backends import torch_script
from embcheck.backends.torch_names import SPELLINGS, function_of, makes_module, to_tensor
from embcheck.backends.torch_observe import Prepared, Tensors, observe
from embcheck.backends.torch_only import probes
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unavailable,
)
from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)

Answer = tuple[Mapping[str, Any], Tensors]
"""What was observed, by name, and the tensors that the caller finds after the call."""


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
            survives_fork=device == "cpu",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make the tensors and the module, and return the lookup with what is to be observed."""
        if call.operation is Operation.PROBE:
            return _blocking(probes.prepare(call, self.info.device), self.info.device)
        prepared = _prepare(call, self.info.device)
        lookup, tensors = prepared.lookup, prepared.tensors
        if call.observe == (Observation.OUTPUT,):
            return _blocking(lambda: ({"output": lookup()}, tensors), self.info.device)
        return _blocking(lambda: (observe(prepared), tensors), self.info.device)

    def script(self, call: Call) -> str:
        """Write a call as PyTorch's users would."""
        return torch_script.write(call, device=self.info.device)

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


def _prepare(call: Call, device: str) -> Prepared:
    tensors = {name: to_tensor(array).to(device) for name, array in call.inputs.items()}
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        tensors["per_sample_weights"].requires_grad_()
    function = function_of(call.operation)
    arguments, options = [tensors["indices"]], call.options
    bags = {name: tensors[name] for name in ("offsets", "per_sample_weights") if name in tensors}
    if makes_module(call.operation):
        module = _module(call, function, tensors, device)
        return Prepared(call, tensors, module.weight, lambda: module(*arguments, **bags))
    if call.operation is not Operation.ONE_HOT:
        arguments.append(tensors["weight"])
    if call.wants(*GRADIENT_OBSERVATIONS - {"grad_per_sample_weights"}, *TRAINING_OBSERVATIONS):
        tensors["weight"].requires_grad_()
    weight = tensors.get("weight")
    return Prepared(call, tensors, weight, lambda: function(*arguments, **bags, **options))


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

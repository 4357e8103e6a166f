"""PyTorch, eager, called as its documentation shows: functions of `F`, modules of `nn`.

The caller's arrays become tensors that share their memory on the CPU, so what PyTorch writes to
them is seen. What is derived from a lookup stands in `observe`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from embcheck.backends.on_torch import script, spellings
from embcheck.backends.on_torch.calls import LATE_IMPORTS, Answer, target_of, thunk
from embcheck.backends.on_torch.device import CudaClock, blocking, require_cuda
from embcheck.backends.on_torch.names import SPELLINGS
from embcheck.backends.on_torch.processor import processor
from embcheck.backends.on_torch.torch_only import probes
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation


class TorchEager:
    """Eager PyTorch on one device."""

    late_imports = LATE_IMPORTS

    def __init__(self, name: str, device: str) -> None:
        self.info = BackendInfo(
            id=name,
            library="torch",
            version=torch.__version__,
            device=device,
            **processor(),
            operations={
                name: Provided(Provision.NATIVE, how)
                for name, how in {**SPELLINGS, Operation.PROBE: "torch"}.items()
            },
            capabilities=frozenset(Capability),
            # A bad index trips an assertion in the kernel, which ends the use of CUDA.
            fresh_worker_after_bad_index=device == "cuda",
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make the tensors and the module, and return a thunk of the observations."""
        device = self.info.device
        # A probe has code of its own, and observes what only PyTorch has.
        if call.operation is Operation.PROBE:
            return blocking(probes.prepare(call, device), device)
        target = target_of(call, device)
        return thunk(target.prepared(target.lookup()), device)

    def on_device(self, call: Call) -> tuple[Callable[[], Any], CudaClock]:
        """Return the lookup, which does not wait for the device, and the device's clock."""
        target = target_of(call, self.info.device)
        if call.observe != (Observation.OUTPUT,):
            raise Unsupported("only lookups are timed on the device")
        return target.lookup(), CudaClock()

    def spellings(self, call: Call) -> dict[str, Callable[[], Answer]]:
        """Return the other ways in which PyTorch users gather rows."""
        return spellings.spellings(call, self.info.device)

    def script(self, call: Call) -> str:
        """Write a call as PyTorch users would."""
        return script.write(call, device=self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Bring tensors off the device; a sparse gradient becomes dense only here."""
        return probes.to_numpy(*answer)


def on_cpu() -> TorchEager:
    """Make the backend `torch-eager`."""
    return TorchEager("torch-eager", "cpu")


def on_cuda() -> TorchEager:
    """Make the backend `torch-eager@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    return TorchEager("torch-eager@cuda", "cuda")

"""The adapter for Triton kernels, compiled for a GPU or run by Triton's interpreter.

Arrays become PyTorch tensors, since Triton takes those. The kernels are in `kernels`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import triton
from torch import Tensor

from embcheck.backends.composed import composition
from embcheck.backends.composed import script as composition_script
from embcheck.backends.composed.answers import brought_home
from embcheck.backends.composed.script import Language
from embcheck.backends.on_torch.device import blocking
from embcheck.backends.on_torch.names import to_array, to_tensor
from embcheck.backends.on_triton import kernels
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Operation

Tensors = dict[str, Tensor]
Answer = tuple[Tensors, Tensors]
"""The observations, and the tensors that the caller finds after the call."""

_OBSERVABLE = ("output", "weight_after", "inputs_after")

_OPERATIONS = {
    Operation.EMBEDDING: Provided(
        Provision.COMPOSED, "a kernel of tl.load and tl.store, one program for every 32 indices"
    ),
    Operation.EMBEDDING_BAG: Provided(
        Provision.COMPOSED,
        "a kernel with a loop over the rows of a bag, one program for each bag: sums, means by "
        "division, tl.maximum",
    ),
}

_OPTIONS = {Operation.EMBEDDING: (), Operation.EMBEDDING_BAG: composition.BAG_OPTIONS}

_IMPORTS = "import torch\nimport triton\nimport triton.language as tl\nfrom torch import Tensor"


class TritonCalls:
    """Launches the kernels on tensors of one device."""

    def __init__(self, name: str, device: str, setting: str = "") -> None:
        self._setting = setting
        self.info = BackendInfo(
            id=name,
            library="triton",
            version=triton.__version__,
            device=device,
            operations=_OPERATIONS,
            capabilities=frozenset({Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET}),
            # After a kernel has read unmapped memory, CUDA is unusable; no kernel writes there.
            fresh_worker_after_bad_index=device == "cuda",
            survives_fork=device == "cpu",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Move the arrays, and return a thunk of the call; for a GPU, a first run here compiles."""
        _expect_known(call)
        tensors = {n: to_tensor(array).to(self.info.device) for n, array in call.inputs.items()}
        found = tensors if call.wants_inputs else {}
        run = blocking(
            lambda: ({"output": kernels.LOOKUPS.take(call, tensors)}, found), self.info.device
        )
        # The interpreter compiles nothing.
        if self.info.device == "cuda":
            run()
        return run

    def script(self, call: Call) -> str:
        """Write the kernels of a call, and their launch."""
        _expect_known(call)
        if any(array.dtype.isbuiltin != 1 for array in call.inputs.values()):
            raise Unsupported("no script is written for types that NumPy does not have")
        moved = "" if self.info.device == "cpu" else f".to({self.info.device!r})"
        language = Language(
            imports=self._setting + _IMPORTS,
            lookups=kernels.LOOKUPS,
            from_numpy=lambda name, _: f"torch.from_numpy({name}){moved}",
            to_numpy=lambda name, _: f"{name}.cpu().numpy()",
        )
        return composition_script.write(call, language).replace("@kernel", "@triton.jit")

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Convert the tensors to NumPy."""
        return brought_home(answer, to_array)


def _expect_known(call: Call) -> None:
    if call.operation not in _OPERATIONS:
        raise Unsupported(f"no kernel is written for {call.operation}")
    composition.expect_only(call, "the kernel", _OPTIONS[call.operation], _OBSERVABLE)
    if call.operation.is_bag:
        composition.expect_bounds(call)
        composition.expect_mode(call, ("sum", "mean", "max"))

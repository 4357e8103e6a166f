"""A call as PyTorch users make it: its tensors, and the function or module that takes them.

Adapters that go through PyTorch compile, export or shard that function or module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embcheck.backends.composed.answers import brought_home
from embcheck.backends.on_torch import script
from embcheck.backends.on_torch.device import blocking
from embcheck.backends.on_torch.names import (
    SPELLINGS,
    function_of,
    to_array,
    to_tensor,
)
from embcheck.backends.on_torch.observe import Prepared, Tensors, observe
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
)
from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)

Answer = tuple[Mapping[str, Any], Tensors]
"""The observations by name, and the tensors that the caller finds after the call."""
LATE_IMPORTS = ("torch.fx.experimental.symbolic_shapes", "torch._dynamo")
"""What PyTorch imports for its first gradient (0.4 s) and its first optimiser (1.1 s)."""


@dataclass(frozen=True)
class Target:
    """A call's tensors, and the function or module that PyTorch documents for it.

    `weight` is the table that the call works on, or None for a one_hot without a table.
    """

    call: Call
    tensors: Tensors
    function: Callable[..., Tensor]
    weight: Any

    @property
    def is_module(self) -> bool:
        """Whether the function is a module, which holds the weight and the options."""
        return self.call.operation.makes_module

    @property
    def options(self) -> dict[str, Any]:
        """The options that the function is called with; empty for a module, which holds them."""
        return {} if self.is_module else dict(self.call.options)

    @property
    def arguments(self) -> dict[str, Tensor]:
        """The tensors that the function is called with, by name; `indices` come first."""
        # In the order of PyTorch's signatures: exporters go by position.
        names = ["indices", "weight", "offsets", "per_sample_weights"]
        # A module holds the weight, and one_hot needs a weight only for the product.
        if self.is_module or self.call.operation is Operation.ONE_HOT:
            names.remove("weight")
        return {name: self.tensors[name] for name in names if name in self.tensors}

    def lookup(self, function: Callable[..., Tensor] | None = None) -> Callable[[], Tensor]:
        """Return a thunk of the call; `function` replaces the target's own function if given."""
        indices, *others = self.arguments.items()
        table = [tensor for name, tensor in others if name == "weight"]
        # By position, as in the documentation's examples; the others are optional, and go by name.
        positional, options = [indices[1], *table], self.options
        bags = {name: tensor for name, tensor in others if name != "weight"}
        called = self.function if function is None else function
        return lambda: called(*positional, **bags, **options)

    def prepared(self, lookup: Callable[[], Tensor], weight: Any = None) -> Prepared:
        """Return what `observe` needs of a lookup; `weight` is the lookup's own table, if any."""
        return Prepared(self.call, self.tensors, self.weight if weight is None else weight, lookup)


def tensors_of(call: Call, device: str) -> Tensors:
    """Make tensors of the inputs; per-sample weights are a leaf if their gradient is wanted."""
    tensors = {name: to_tensor(array).to(device) for name, array in call.inputs.items()}
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        tensors["per_sample_weights"].requires_grad_()
    return tensors


def target_of(call: Call, device: str = "cpu") -> Target:
    """Make a call's tensors, and its module if it has one.

    On the CPU the tensors share the memory of the call's arrays.
    """
    tensors = tensors_of(call, device)
    function = function_of(call.operation)
    if call.operation.makes_module:
        module = _module(call, function, tensors, device)
        return Target(call, tensors, module, module.weight)
    if call.wants(*GRADIENT_OBSERVATIONS - {"grad_per_sample_weights"}, *TRAINING_OBSERVATIONS):
        # A module's own parameter requires gradients by itself.
        tensors["weight"].requires_grad_()
    return Target(call, tensors, function, tensors.get("weight"))


def _module(call: Call, make: Callable[..., Any], tensors: Tensors, device: str) -> Any:
    """Make the module; a fresh one's weight joins the tensors that the caller finds."""
    # No `device`: `from_pretrained` keeps the given tensor, which is on the device already.
    if call.operation.is_pretrained:
        return make(tensors["weight"], **call.options)
    options = dict(call.options)
    if "dtype" in options:
        options["dtype"] = getattr(torch, options["dtype"])
    module = make(**options, device=device)
    tensors["weight"] = module.weight
    return module


def thunk(prepared: Prepared, device: str = "cpu") -> Callable[[], Answer]:
    """Return a thunk that looks up and makes only the observations that the call asks for."""
    lookup, found = prepared.lookup, prepared.tensors if prepared.call.wants_inputs else {}
    # Timings ask for the output alone.
    if prepared.call.observe == (Observation.OUTPUT,):
        return blocking(lambda: ({"output": lookup()}, found), device)
    return blocking(lambda: (observe(prepared), found), device)


class TorchCalls:
    """The adapter for one way of calling PyTorch on one device.

    `ready` makes a prepared lookup from a target. `spelling` is the code for that, with `{}` for
    the function or module that PyTorch documents. It may have `{examples}` for a tuple of example
    inputs, and `{sizes}` for their dynamic sizes.
    """

    late_imports = LATE_IMPORTS

    def __init__(
        self,
        name: str,
        ready: Callable[[Target], Prepared],
        spelling: str,
        device: str,
    ) -> None:
        self._ready = ready
        self._spelling = spelling
        self.info = BackendInfo(
            id=name,
            library="torch",
            version=torch.__version__,
            device=device,
            **processor(),
            operations={
                operation: Provided(
                    Provision.NATIVE, spelling.format(how, examples="...", sizes="...")
                )
                for operation, how in SPELLINGS.items()
            },
            capabilities=frozenset(Capability),
            # A bad index trips an assertion in the kernel, which ends the use of CUDA.
            fresh_worker_after_bad_index=device == "cuda",
            made_from="torch-eager",
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make the tensors and the module, and return a thunk of the call in this way."""
        return thunk(self._ready(target_of(call, self.info.device)), self.info.device)

    def script(self, call: Call) -> str:
        """Write a call as PyTorch users would."""
        return script.write(call, self._spelling, self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Bring tensors off the device; a sparse gradient becomes dense only here."""
        return brought_home(answer, to_array)

"""What exporters for inference are given: a call as a module, and small valid example inputs.

A function of `F` takes the weight as an input; a module holds its own, drawn with a fixed seed
where it is fresh. The examples have the call's dtypes and ranks, and sizes of their own. Only the
weight keeps its size where PyTorch compares the two: beside `padding_idx`, or as a factor of
one_hot. What is exported cannot reach the caller's weight, which `max_norm` is to change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from embcheck.backends.on_torch.names import (
    SPELLINGS,
    function_of,
    to_array,
    to_tensor,
)
from embcheck.conformance.contract.backend import Capability, Provided, Provision, Unsupported
from embcheck.conformance.contract.call import Call, Operation

INFERS = frozenset(Capability) - {
    *(Capability.GRADIENTS, Capability.SPARSE_GRADIENTS, Capability.SHARED_MEMORY),
    *(Capability.TRAINING, Capability.ADAGRAD, Capability.SPARSE_ADAM),
}
"""The capabilities of what has no gradients and no memory of the caller's."""

_OBSERVABLE = {"output", "product", "weight_after", "inputs_after"}

_EXAMPLE_SIZES = {"weight": (5, 7), "offsets": (3,)}


class Lookup(torch.nn.Module):
    """What is exported; `names` are the call's inputs that it takes, in order.

    `fixed` are those whose examples have the call's own sizes.
    """

    def __init__(self, call: Call) -> None:
        super().__init__()
        for name in call.observe:
            if name not in _OBSERVABLE:
                raise Unsupported(f"what is exported for inference has no {name}")
        self.function = function_of(call.operation)
        self.options = dict(call.options)
        order = ("indices", "weight", "offsets", "per_sample_weights")
        self.names = [name for name in order if name in call.inputs]
        if call.operation is Operation.ONE_HOT and "weight" in self.names:
            self.function = _one_hot_and_product
        elif call.operation.is_pretrained:
            self.names.remove("weight")
            self._build(to_tensor(call.inputs["weight"]))
        elif call.operation.makes_module:
            self._build()
        self.fixed = {name for name in self.names if _keeps_size(call, name)}
        self.examples = tuple(self._example(name, call) for name in self.names)
        self.eval()

    def _build(self, *arguments: Tensor) -> None:
        """Turn the function, which makes a module, into that module."""
        if "dtype" in self.options:
            self.options["dtype"] = getattr(torch, self.options["dtype"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.function = self.function(*arguments, **self.options)
        self.options = {}

    def _example(self, name: str, call: Call) -> Tensor:
        array = call.inputs[name]
        dtype = call.exported_for.get(name, array.dtype.name)
        sizes = (*_EXAMPLE_SIZES.get(name, (2, 3)), *[2] * array.ndim)[: array.ndim]
        sizes = array.shape if name in self.fixed else sizes
        return torch.zeros(sizes, dtype=getattr(torch, dtype))

    def forward(self, indices: Tensor, *others: Tensor) -> Any:
        """Look up."""
        named = dict(zip(self.names[1:], others, strict=True))
        return self.function(indices, **named, **self.options)

    def found(self, call: Call) -> dict[str, np.ndarray]:
        """Return the arrays that the caller finds after the call."""
        inside = {n.rpartition(".")[2]: to_array(p) for n, p in self.named_parameters()}
        return {**inside, **call.inputs}


def provided(spelling: str) -> dict[Operation, Provided]:
    """Say how each operation is provided; `{}` stands for what PyTorch documents."""
    return {
        operation: Provided(Provision.NATIVE, spelling.format(how))
        for operation, how in SPELLINGS.items()
    }


def named(outputs: list[Any]) -> dict[str, Any]:
    """Name the outputs of what was exported as observations."""
    return dict(zip(("output", "product"), outputs, strict=False))


def _one_hot_and_product(indices: Tensor, weight: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    output = torch.nn.functional.one_hot(indices, **options)
    return output, output.to(weight.dtype) @ weight


def _keeps_size(call: Call, name: str) -> bool:
    compared = call.option("padding_idx") is not None or call.operation is Operation.ONE_HOT
    return name == "weight" and compared

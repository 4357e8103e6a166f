"""The input of exporters for inference: a call as a module, and small valid examples.

A function of `F` takes the weight as an input. A module holds its own weight; that of a fresh
module is drawn with a fixed seed. The examples have the call's dtypes and ranks, but other sizes.
Only the weight keeps its size, and only where PyTorch checks it: beside `padding_idx`, or as a
factor of one-hot rows. An exported program cannot reach the caller's weight, which `max_norm`
should change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import Dim

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
"""The capabilities of a backend without gradients and without access to the caller's memory."""

_OBSERVABLE = {"output", "product", "weight_after", "inputs_after"}

_EXAMPLE_SIZES = {"weight": (5, 7), "offsets": (3,)}


class Lookup(torch.nn.Module):
    """A module that calls a function or module with tensors in a fixed order, and with options."""

    def __init__(
        self, function: Callable[..., Any], options: Mapping[str, Any], names: Sequence[str]
    ) -> None:
        super().__init__()
        self.function, self.options, self.names = function, options, names

    def forward(self, indices: Tensor, *others: Tensor) -> Any:
        """Look up."""
        # Exporters pass all tensors by position; PyTorch takes these by name.
        named = dict(zip(self.names[1:], others, strict=True))
        return self.function(indices, **named, **self.options)


@dataclass(frozen=True)
class Exported:
    """A lookup to export, and an example of each tensor that it takes.

    `fixed` names the inputs whose examples have the call's own sizes.
    """

    lookup: Lookup
    examples: tuple[Tensor, ...]
    fixed: frozenset[str]

    @property
    def names(self) -> Sequence[str]:
        """The call's inputs that the lookup takes, in order."""
        return self.lookup.names

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The weight that the lookup holds, if it calls a module."""
        return {n.rpartition(".")[2]: p for n, p in self.lookup.named_parameters()}

    @property
    def described(self) -> list[tuple[Any, ...]]:
        """A description of the examples and the weight, for the cache key of a graph."""
        # A module's weight becomes a constant of the graph, so its bytes are in the key.
        arrays = [to_array(tensor) for tensor in (*self.examples, *self.lookup.parameters())]
        return [(a.dtype.name, a.shape, sha256(a.tobytes()).hexdigest()) for a in arrays]

    def sizes(self) -> Any:
        """Return the sizes for `torch.export`: static for `fixed` inputs, dynamic for others."""
        # The structure must be that of `forward`'s arguments: the others are one tuple.
        indices, *others = (
            dict.fromkeys(range(example.ndim), Dim.STATIC if name in self.fixed else Dim.DYNAMIC)
            for name, example in zip(self.names, self.examples, strict=True)
        )
        return (indices, tuple(others)) if others else (indices,)

    def found(self, call: Call) -> dict[str, np.ndarray]:
        """Return the arrays that the caller finds after the call."""
        return {**{n: to_array(p) for n, p in self.parameters.items()}, **call.inputs}


def exported(call: Call) -> Exported:
    """Make the lookup to export; raise Unsupported for an observation that it cannot give."""
    for name in call.observe:
        if name not in _OBSERVABLE:
            raise Unsupported(f"what is exported for inference has no {name}")
    function, options = function_of(call.operation), dict(call.options)
    order = ("indices", "weight", "offsets", "per_sample_weights")
    names = [name for name in order if name in call.inputs]
    if call.operation is Operation.ONE_HOT and "weight" in names:
        function = _one_hot_and_product
    elif call.operation.makes_module:
        if "weight" in names:
            names.remove("weight")
        function, options = _module(call), {}
    fixed = frozenset(name for name in names if _keeps_size(call, name))
    examples = tuple(_example(call, name, name in fixed) for name in names)
    return Exported(Lookup(function, options, names).eval(), examples, fixed)


def _module(call: Call) -> Any:
    """Make the module of a call, from its table or with a weight drawn with a fixed seed."""
    table = [to_tensor(call.inputs["weight"])] if "weight" in call.inputs else []
    options = dict(call.options)
    if "dtype" in options:
        options["dtype"] = getattr(torch, options["dtype"])
    with torch.random.fork_rng(devices=[]):
        # The same weight each time: otherwise each call would have a graph of its own.
        torch.manual_seed(0)
        return function_of(call.operation)(*table, **options)


def _example(call: Call, name: str, is_fixed: bool) -> Tensor:
    array = call.inputs[name]
    # Some cases run a graph on another dtype than it was exported for.
    dtype = call.exported_for.get(name, array.dtype.name)
    sizes = (*_EXAMPLE_SIZES.get(name, (2, 3)), *[2] * array.ndim)[: array.ndim]
    # Index 0 is in every table, and offset 0 in every list: an example must be a valid call.
    return torch.zeros(array.shape if is_fixed else sizes, dtype=getattr(torch, dtype))


def provided(spelling: str) -> dict[Operation, Provided]:
    """Say how each operation is provided; `{}` stands for what PyTorch documents."""
    return {
        operation: Provided(Provision.NATIVE, spelling.format(how))
        for operation, how in SPELLINGS.items()
    }


def named(outputs: list[Any]) -> dict[str, Any]:
    """Name the outputs of an exported lookup as observations."""
    return dict(zip(("output", "product"), outputs, strict=False))


def _one_hot_and_product(indices: Tensor, weight: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    output = torch.nn.functional.one_hot(indices, **options)
    return output, output.to(weight.dtype) @ weight


def _keeps_size(call: Call, name: str) -> bool:
    compared = call.option("padding_idx") is not None or call.operation is Operation.ONE_HOT
    return name == "weight" and compared

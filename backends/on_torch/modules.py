"""What exporters and tracers are given: a call as a module, and small valid example inputs.

An example has the dtype and rank of the call's input, and sizes from `examples`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from embcheck.backends.on_torch.calls import Target
from embcheck.backends.on_torch.examples import example_sizes
from embcheck.backends.on_torch.inference import Lookup
from embcheck.backends.on_torch.observe import Prepared


def lookup_of(target: Target) -> Lookup:
    """Make a module that calls a target's function or module, of its arguments in their order."""
    return Lookup(target.function, target.options, list(target.arguments))


class Shared:
    """Makes lookups by what makes a program of a target, once for calls that can share it.

    A program keeps the name `function` of the module in it, and that module's `weight`.
    """

    def __init__(self, make: Callable[[Target], Any]) -> None:
        self._make = make
        self._programs: dict[str, Any] = {}

    def __call__(self, target: Target) -> Prepared:
        """Return the program's lookup; raises what raised when the program was made."""
        tensors = tuple(target.arguments.values())
        # A module holds the call's own weight, so that its program is of no use to another call.
        program = self._make(target) if target.is_module else self._shared(target)
        # An exported program has a copy of the module: its weight is the one that is looked up in.
        weight = program.function.weight if target.is_module else None
        return target.prepared(lambda: program(*tensors), weight)

    def _shared(self, target: Target) -> Any:
        key = configuration(target)
        if key not in self._programs:
            self._programs[key] = self._make(target)
        return self._programs[key]


def configuration(target: Target) -> str:
    """Name what calls share that differ in their arrays' values and sizes only."""
    described = [(e.dtype, tuple(e.shape)) for e in examples(target)]
    options = sorted(target.call.options.items())
    return repr((target.call.operation, options, list(target.arguments), described))


def examples(target: Target) -> tuple[Tensor, ...]:
    """Make an example of each argument."""
    return tuple(
        torch.zeros(
            example_sizes(target.call, name),
            dtype=_example_dtype(target, name) or tensor.dtype,
            device=tensor.device,
        )
        for name, tensor in target.arguments.items()
    )


def _example_dtype(target: Target, name: str) -> Any:
    """Return the dtype that a call names for an example, None where it names none."""
    named = target.call.exported_for.get(name)
    return named and getattr(torch, named)


def per_dimension(target: Target, mark: Any) -> tuple[Any, ...]:
    """Mark every dimension of every argument, in the structure of `Lookup.forward`'s."""
    indices, *others = (
        dict.fromkeys(range(tensor.ndim), mark) for tensor in target.arguments.values()
    )
    return (indices, tuple(others)) if others else (indices,)

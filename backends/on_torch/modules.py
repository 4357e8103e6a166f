"""The input of exporters and tracers: a call as a module, and small valid examples.

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
    """Make a module that calls a target's function or module with its arguments in their order."""
    return Lookup(target.function, target.options, list(target.arguments))


class Shared:
    """A maker of lookups, which makes one program for all calls that can share it.

    `make` exports or traces the program of a target. The program of a module has that module, with
    its `weight`, as its attribute `function`.
    """

    def __init__(self, make: Callable[[Target], Any]) -> None:
        self._make = make
        self._programs: dict[str, Any] = {}

    def __call__(self, target: Target) -> Prepared:
        """Return the program's lookup; raise whatever `make` raises."""
        tensors = tuple(target.arguments.values())
        # A module holds the call's own weight, so its program is of no use to another call.
        program = self._make(target) if target.is_module else self._shared(target)
        # An exported program has a copy of the module, and looks up in the copy's weight.
        weight = program.function.weight if target.is_module else None
        return target.prepared(lambda: program(*tensors), weight)

    def _shared(self, target: Target) -> Any:
        key = configuration(target)
        if key not in self._programs:
            self._programs[key] = self._make(target)
        return self._programs[key]


def configuration(target: Target) -> str:
    """Return a key that is equal for calls that can share a program."""
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
    """Return the dtype that a call names for an example, or None if it names none."""
    named = target.call.exported_for.get(name)
    return named and getattr(torch, named)


def per_dimension(target: Target, mark: Any) -> tuple[Any, ...]:
    """Mark every dimension of every argument, in the structure that `Lookup.forward` takes."""
    indices, *others = (
        dict.fromkeys(range(tensor.ndim), mark) for tensor in target.arguments.values()
    )
    return (indices, tuple(others)) if others else (indices,)

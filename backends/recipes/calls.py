"""What the adapters of recipes share: which calls a recipe has words for, and how it is called.

A recipe is a file with `embedding` and `embedding_bag`, whose arguments have PyTorch's names, the
weight before the indices. What its functions take is what is claimed. Further files have `one_hot`,
and, where the library has no automatic differentiation, `embedding_gradient` and
`embedding_bag_gradient`. These take the gradient of the output first, and then the same arguments.
The second one returns two arrays: the gradients for the table and for the weights, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import getmembers, isfunction, signature
from types import ModuleType
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import (
    Backend,
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

Arrays = dict[str, Any]
Run = Callable[[Arrays], Any]
"""A recipe's function with its options, which takes the arrays of a call by their names."""

OPERATIONS = (Operation.EMBEDDING, Operation.EMBEDDING_BAG, Operation.ONE_HOT)
GRADIENTS = {
    Observation.GRAD_WEIGHT: "weight",
    Observation.GRAD_PER_SAMPLE_WEIGHTS: "per_sample_weights",
}
WITHOUT_CHECKS = "without checks"
"""The spelling of a recipe's call with `check=False`."""

_CAPABILITIES = {
    "padding_idx": Capability.PADDING_IDX,
    "per_sample_weights": Capability.PER_SAMPLE_WEIGHTS,
    "include_last_offset": Capability.INCLUDE_LAST_OFFSET,
}
_ALWAYS = {Observation.OUTPUT, Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER}
_ARRAYS = ("weight", "indices", "offsets", "per_sample_weights")


@dataclass(frozen=True)
class RecipeWay:
    """A recipe, and how its library's arrays are made, waited for and brought home."""

    recipe: ModuleType
    place: Callable[[str, np.ndarray], Any]
    """Makes what the recipe's user would have of an input, by its name and array."""
    bring: Callable[[Any], np.ndarray] = np.asarray
    finish: Callable[[Any], Any] = lambda answer: answer
    """Waits for arrays that are still computed."""
    differentiate: Callable[[Run, Arrays, Sequence[str]], tuple[Any, Arrays]] | None = None
    """Returns the output, and the gradients by the names of their arrays; `grad_output` is among
    the arrays, or else ones. None where the recipe has functions for gradients, or nothing."""
    product: Callable[[Any, Any], Any] = lambda output, weight: output.astype(weight.dtype) @ weight
    wraps: Mapping[str, Callable[[Run], Run]] = field(default_factory=dict)
    """Other ways to run the recipe, by name, for what shows an output alone: compiled, say."""
    natives: Mapping[str, Callable[[], Backend]] = field(default_factory=dict)
    """The library's own spelling by other adapters, and what it does with an index out of range."""
    further: Sequence[ModuleType] = ()
    """The recipe's other files, such as `with_numpy_gradients`."""

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The recipe's functions by their names."""
        files = (self.recipe, *self.further)
        return {name: each for file in files for name, each in getmembers(file, isfunction)}


class RecipeCalls:
    """Answers calls by a recipe, as somebody would who copied it."""

    def __init__(self, way: RecipeWay, info: BackendInfo) -> None:
        self._way, self.info = way, info

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Move what the user would have moved; return what calls the recipe."""
        return self._thunk(call)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Any]]:
        """Return the recipe without its checks, and the library's own spelling of the call."""
        function = _function(self._way, call)
        found = {}
        if "check" in signature(function).parameters:
            found[WITHOUT_CHECKS] = self._thunk(call, check=False)
        if Observation.OUTPUT in call.observe and set(call.observe) <= _ALWAYS:
            found |= {name: self._thunk(call, wrap) for name, wrap in self._way.wraps.items()}
        for what_if, factory in self._way.natives.items():
            native = factory()
            try:
                run = native.prepare(call)
            except Unsupported:
                continue  # It has no spelling of its own to compare with.
            ask = partial(lambda home, run: (home, run()), native.to_numpy, run)
            found[f"as {native.info.id}  # {what_if}"] = ask
        return found

    def to_numpy(self, answer: Any) -> Mapping[str, np.ndarray]:
        """Bring the arrays home, those of another adapter by its own way."""
        to_numpy: Callable[[Any], Mapping[str, np.ndarray]] = answer[0]
        return to_numpy(answer[1])

    def bring_home(self, answer: tuple[Arrays, Arrays]) -> Arrays:
        """Bring home what the recipe gave, and the inputs beside it."""
        bring = self._way.bring
        observed, found = ({n: bring(a) for n, a in part.items()} for part in answer)
        return {**inputs_after(found), **observed}

    def _thunk(
        self, call: Call, wrap: Callable[[Run], Run] = lambda run: run, **more: Any
    ) -> Callable[[], Any]:
        way, function = self._way, _function(self._way, call)
        options = {**options_of(way, call), **more}
        arrays = {name: way.place(name, array) for name, array in call.inputs.items()}
        names = _names(function, arrays)
        run = wrap(lambda given: function(**{n: given[n] for n in names}, **options))
        gradients = partial(_by_functions, way, call, options)
        show = partial(_observe, way, call, run, way.differentiate or gradients)
        found = arrays if call.wants_inputs else {}
        return lambda: (self.bring_home, (way.finish(show(arrays)), found))


def info_of(way: RecipeWay, name: str, library: str, version: str, **more: Any) -> BackendInfo:
    """Declare what a recipe's functions take; `more` are other fields, `modules` added to."""
    functions = {n: way.functions[n] for n in OPERATIONS if n in way.functions}
    taken = {name for function in functions.values() for name in signature(function).parameters}
    capabilities = {capability for name, capability in _CAPABILITIES.items() if name in taken}
    if way.differentiate is not None or "embedding_gradient" in way.functions:
        capabilities.add(Capability.GRADIENTS)
    files = [file.__name__ for file in (way.recipe, *way.further)]
    modules = (*more.pop("modules", (library,)), *files)
    places = {n: each.__module__.rpartition(".")[2] for n, each in functions.items()}
    composed = Provision.COMPOSED
    operations = {n: Provided(composed, f"recipes/{file}.py: {n}") for n, file in places.items()}
    declared = {"operations": operations, "capabilities": frozenset(capabilities), **more}
    return BackendInfo(name, library, version, modules=modules, **declared)


def options_of(way: RecipeWay, call: Call) -> dict[str, Any]:
    """Return the options of a call; raises Unsupported for what the recipe has no words for."""
    taken = signature(_function(way, call)).parameters
    given = [n for n, value in call.options.items() if value is not None and value is not False]
    is_one_hot = call.operation is Operation.ONE_HOT
    shown = {*_ALWAYS, Observation.PRODUCT} if is_one_hot else {*_ALWAYS, *GRADIENTS}
    given += [name for name in _ARRAYS if name in call.inputs and not is_one_hot]
    if unknown := set(given) - set(taken):
        raise Unsupported(f"the recipe's {call.operation} has no {', '.join(sorted(unknown))}")
    if unknown := set(call.observe) - shown:
        raise Unsupported(f"the recipe shows no {', '.join(sorted(unknown))}")
    return {name: value for name, value in call.options.items() if name in taken}


def _function(way: RecipeWay, call: Call) -> Callable[..., Any]:
    if call.operation not in OPERATIONS or call.operation not in way.functions:
        raise Unsupported(f"the recipe has no {call.operation}")
    return way.functions[call.operation]


def _observe(
    way: RecipeWay, call: Call, run: Run, differentiate: Callable[..., Any], arrays: Arrays
) -> Arrays:
    if call.wants(*GRADIENTS):
        wanted = {name: source for name, source in GRADIENTS.items() if name in call.observe}
        output, found = differentiate(run, arrays, tuple(wanted.values()))
        return {"output": output, **{name: found[source] for name, source in wanted.items()}}
    observed = {"output": run(arrays)}
    if call.wants(Observation.PRODUCT):
        observed["product"] = way.product(observed["output"], arrays["weight"])
    return observed


def _by_functions(
    way: RecipeWay, call: Call, options: Arrays, run: Run, arrays: Arrays, _: Sequence[str]
) -> tuple[Any, Arrays]:
    """Ask the recipe's own functions for gradients."""
    output = run(arrays)
    upstream = arrays["grad_output"] if "grad_output" in arrays else np.ones_like(output)
    function = way.functions[f"{call.operation}_gradient"]
    known = {n: value for n, value in options.items() if n in signature(function).parameters}
    found = function(upstream, **{n: arrays[n] for n in _names(function, arrays)}, **known)
    pair = found if call.operation.is_bag else (found, None)
    return output, dict(zip(GRADIENTS.values(), pair, strict=True))


def _names(function: Callable[..., Any], arrays: Arrays) -> list[str]:
    taken = signature(function).parameters
    return [name for name in _ARRAYS if name in arrays and name in taken]

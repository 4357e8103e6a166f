"""The base of recipes' adapters: which calls a recipe can take, and how it is called.

A recipe is a file with `embedding` and `embedding_bag`. Their arguments have PyTorch's names, but
the weight comes before the indices. The adapter declares what these functions take. Further files
have `one_hot` and, if the library has no automatic differentiation, `embedding_gradient` and
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
    """A recipe, and how its library's arrays are made, waited for and converted to NumPy."""

    recipe: ModuleType
    place: Callable[[str, np.ndarray], Any]
    """Converts an input, given by name and array, as a user of the recipe would."""
    bring: Callable[[Any], np.ndarray] = np.asarray
    finish: Callable[[Any], Any] = lambda answer: answer
    """Waits for arrays that are still being computed."""
    differentiate: Callable[[Run, Arrays, Sequence[str]], tuple[Any, Arrays]] | None = None
    """Returns the output, and the gradients by the names of their arrays. If `grad_output` is not
    among the arrays, it is all ones. None if the recipe has functions for gradients, or none."""
    product: Callable[[Any, Any], Any] = lambda output, weight: output.astype(weight.dtype) @ weight
    wraps: Mapping[str, Callable[[Run], Run]] = field(default_factory=dict)
    """Other ways to run the recipe by name, such as compiled; used if only an output is wanted."""
    natives: Mapping[str, Callable[[], Backend]] = field(default_factory=dict)
    """Adapters of the library's own spelling, by what it does with an index out of range."""
    further: Sequence[ModuleType] = ()
    """The recipe's other files, such as `with_numpy_gradients`."""

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The recipe's functions by their names."""
        files = (self.recipe, *self.further)
        return {name: each for file in files for name, each in getmembers(file, isfunction)}


class RecipeCalls:
    """The adapter that calls a recipe as a user would who copied it."""

    def __init__(self, way: RecipeWay, info: BackendInfo) -> None:
        self._way, self.info = way, info

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Convert the inputs as a user would, and return a thunk that calls the recipe."""
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
                continue  # The library has no spelling to compare with.
            ask = partial(lambda home, run: (home, run()), native.to_numpy, run)
            found[f"as {native.info.id}  # {what_if}"] = ask
        return found

    def to_numpy(self, answer: Any) -> Mapping[str, np.ndarray]:
        """Convert an answer to NumPy by the function of the adapter that gave it."""
        to_numpy: Callable[[Any], Mapping[str, np.ndarray]] = answer[0]
        return to_numpy(answer[1])

    def bring_home(self, answer: tuple[Arrays, Arrays]) -> Arrays:
        """Convert the observations and the inputs of a recipe's call to NumPy."""
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
    """Declare what a recipe's functions take; `more` has other fields of the info."""
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
    """Return the options of a call; raise Unsupported for a call that the recipe cannot take."""
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
    """Return the output, and the gradients that the recipe's own functions give."""
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

"""Scripts for libraries with arrays of their own, in which lookups are composed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embcheck.backends.composed.composition import source
from embcheck.backends.composed.lookups import GRADIENTS, Lookups
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Observation, Operation

_WRITTEN = {"output", "weight_after", "inputs_after", *GRADIENTS}


@dataclass(frozen=True)
class Language:
    """How a library writes the steps of a lookup."""

    imports: str
    lookups: Lookups
    from_numpy: Callable[[str, np.dtype], str]
    to_numpy: Callable[[str, str], str]
    """Takes the name of an array, and the name of the weight's dtype."""
    fresh_module: str = ""
    """Empty if the library has none; so are the following fields unless they have a default."""
    pretrained_module: str = ""
    freeze: str = ""
    ones: str = ""
    gradient: str = ""
    """The gradient for `{name}`, of the lookup `{look_up}`, given `{upstream}`."""
    module_gradient: str = ""
    one_hot: str = "indices.one_hot({})"
    """`{}` stands for the number of classes."""
    module_weight: str = "module.weight"
    set_dtype: str = ""
    """`{}` stands for the dtype's name; empty if a fresh module takes its dtype as an argument."""


def write(call: Call, language: Language) -> str:
    """Write a call; raise Unsupported for an observation that cannot be written."""
    for name in call.observe:
        if name not in _WRITTEN:
            raise Unsupported(f"no script is written for {name}")
    lines = [f"{n} = {language.from_numpy(n, a.dtype)}" for n, a in call.inputs.items()]
    shown, made, look_up = _look_up(call, language)
    lines += [*made, f"output = {look_up}"]
    upstream = "grad_output" if "grad_output" in call.inputs else language.ones
    # For a module no function is shown: its gradient is that of the weight that it holds.
    form = language.gradient if shown else language.module_gradient
    lines += [
        f"{observation} = {form.format(name=name, look_up=look_up, upstream=upstream)}"
        for observation, name in GRADIENTS.items()
        if call.wants(observation)
    ]
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append(f"weight_after = {'weight' if shown else language.module_weight}")
    weight = call.inputs.get("weight")
    # One-hot rows are the only answer that needs no table.
    dtype = "int64" if weight is None else weight.dtype.name
    lines += [
        f"{name} = {language.to_numpy(name, dtype)}"
        for name in dict.fromkeys(["output", *call.observe])
        if name != Observation.INPUTS_AFTER
    ]
    functions = [f"\n\n{source(*shown)}\n\n"] if shown else []
    return "\n".join([language.imports, *functions, *lines])


def _look_up(call: Call, language: Language) -> tuple[list[Callable[..., object]], list[str], str]:
    """Return the functions to show, the lines before the lookup, and the lookup."""
    options, lookups = call.options, language.lookups
    if call.operation is Operation.EMBEDDING:
        return [lookups.look_up], [], f"{lookups.look_up.__name__}(weight, indices)"
    if call.operation is Operation.ONE_HOT:
        return [], [], language.one_hot.format(call.option("num_classes"))
    if call.operation is Operation.EMBEDDING_MODULE:
        arguments = f"{options['num_embeddings']}, {options['embedding_dim']}"
        then = []
        if "dtype" in options and language.set_dtype:
            then.append(language.set_dtype.format(options["dtype"]))
        elif "dtype" in options:
            arguments += f", dtype={options['dtype']!r}"
        made = f"module = {language.fresh_module.format(arguments)}"
        return [], [made, *then], "module(indices)"
    if call.operation is Operation.EMBEDDING_FROM_PRETRAINED:
        freeze = [language.freeze] if call.option("freeze") else []
        return [], [language.pretrained_module, *freeze], "module(indices)"
    weights = ", per_sample_weights" if "per_sample_weights" in call.inputs else ""
    mode = call.option("mode")
    if "offsets" not in call.inputs:
        reduce = lookups.reduce_matrix
        return [reduce], [], f"{reduce.__name__}(weight, indices, {mode!r}{weights})"
    reduce, append_end = lookups.reduce_segments, lookups.append_end
    shown, bounds = [reduce, append_end], f"{append_end.__name__}(offsets, indices)"
    if call.option("include_last_offset"):
        shown, bounds = [reduce], "offsets"
    called = f"{reduce.__name__}(weight, indices, bounds, {mode!r}{weights})"
    return shown, [f"bounds = {bounds}"], called

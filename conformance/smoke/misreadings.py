"""Calls in which each option shows, and the ways in which an adapter may pass it on wrongly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo, Capability
from embcheck.conformance.contract.call import (
    Call,
    Observation,
    Operation,
    with_inputs,
    with_options,
    without,
)
from embcheck.conformance.contract.options import OPTIONS, Option, options_of, read_option
from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.smoke.questions import (
    COLUMNS,
    ROWS,
    Question,
    call_of,
    in_a_scheme,
)

TELLING = (3, 0, 4, 1, 3, 4, 4, 2)
"""Indices of all rows, so that each row shows which one was left out; some come more often."""
STARTS = (0, 3, 8)
"""Offsets of two bags, and the end of the last one, which begins a third bag if it is misread."""
TRIED: Mapping[str, tuple[Any, ...]] = {
    "max_norm": (0.25, 3),
    "norm_type": (1, math.inf),
    "num_classes": (ROWS + 2,),
    "num_embeddings": (ROWS + 2,),
    "embedding_dim": (COLUMNS + 2,),
    "dtype": ("float64", "float16"),
    "scheme": (),  # Those that the backend declares.
}
"""Values to try, if the table of options has too many or none."""
NEEDED = {
    "freeze": Capability.TRAINING,
    "sparse": Capability.SPARSE_GRADIENTS,
    "norm_type": Capability.MAX_NORM,
}
"""The capability that an option needs to show, if it has none of its own."""
SHOWN_BY = {
    "freeze": (Observation.TRAINABLE,),
    "sparse": (Observation.GRAD_WEIGHT_IS_SPARSE,),
    "padding_idx": (Observation.GRAD_WEIGHT,),
}
"""Where an option shows, if not in the output or, for options about gradients, in the gradient."""
NOT_OF_STORED = ("max_norm", "norm_type")
"""Options not tried on stored tables, because storing a row changes its norm."""
_WIDE = 128
"""Columns of a table that shows its scheme: whole blocks of 32 and runs of 64."""
LIMIT = 0.25
"""The `max_norm` with which `norm_type` is tried."""


@dataclass(frozen=True)
class Trial:
    """A call whose answer shows the value of an option, or of an optional input.

    `misreadings` are the calls that an adapter with a likely mistake makes instead, by a
    description of the mistake.
    """

    option: str
    question: Question
    misreadings: Mapping[str, Call]


def trials(operation: Operation, info: BackendInfo) -> Iterator[Trial]:
    """Yield a trial for each value of each option and input that a backend declares."""
    for option in options_of(operation):
        if operation.is_quantized and option.name in NOT_OF_STORED:
            continue
        for value in TRIED.get(option.name, option.others):
            call = _call(option, value, operation, info)
            if call is not None and info.lacks(call) is None:
                beside = f"{option.beside}={LIMIT}, " if option.beside else ""
                title = f"{operation} with {beside}{option.name}={value!r}"
                yield Trial(option.name, Question(title, call), dict(_misread(call, option.name)))
    yield from _trials_of_inputs(operation, info)
    if operation.is_quantized:
        yield from _trials_of_schemes(operation, info)


def _trials_of_schemes(operation: Operation, info: BackendInfo) -> Iterator[Trial]:
    """Yield a trial for each scheme, on a table whose blocks differ in magnitude."""
    # Over four decades: with one scale for the whole table, nothing of its smallest blocks is left.
    random = np.random.Generator(np.random.PCG64(6))
    sizes = 10.0 ** random.uniform(-2, 2, (ROWS, _WIDE // 32))
    table = random.normal(size=(ROWS, _WIDE)) * np.repeat(sizes, 32, axis=1)
    for scheme in sorted(info.schemes & SCHEMES.keys()):
        options = {"scheme": scheme, **({"mode": "sum"} if operation.is_bag else {})}
        call = with_inputs(_telling(operation, options, ()), weight=table.astype(np.float32))
        if info.lacks(call) is None:
            others = {
                f"scheme were {name!r}": with_options(call, scheme=name)
                for name in SCHEMES
                if name != scheme
            }
            question = Question(f"{operation} with scheme={scheme!r}", call)
            yield Trial("scheme", question, {**others, "it were not stored": call.of_floats()})


def _call(option: Option, value: Any, operation: Operation, info: BackendInfo) -> Call | None:
    """Return a call in which a value shows; None if the backend lacks what would show it."""
    in_gradients = (Observation.GRAD_WEIGHT,) if option.about_gradients else ()
    shown: tuple[Observation, ...] = SHOWN_BY.get(option.name, in_gradients)
    needed = NEEDED.get(option.name)
    if needed is not None and needed not in info.capabilities:
        return None
    if option.name == "padding_idx" and operation.is_bag:
        shown = ()
    elif Observation.GRAD_WEIGHT in shown and (
        operation.is_quantized or Capability.GRADIENTS not in info.capabilities
    ):
        return None  # The option shows in a gradient, which the backend does not have.
    options: dict[str, Any] = {option.name: value}
    if option.name == "norm_type":
        options["max_norm"] = LIMIT
    if operation.is_bag and option.name != "mode":
        options["mode"] = "sum"
    if operation.is_pretrained and shown and option.name != "freeze":
        options["freeze"] = False
    return in_a_scheme(_telling(operation, options, shown), info)


def _telling(
    operation: Operation, options: Mapping[str, Any], observe: tuple[Observation, ...]
) -> Call:
    by_offsets = operation.is_bag
    call = call_of(operation, options, observe, by_offsets=by_offsets)
    inputs = {"indices": np.array(TELLING)}
    if by_offsets:
        ends = read_option(options, "include_last_offset")
        inputs["offsets"] = np.array(STARTS if ends else STARTS[:-1])
    sizes = {name: options[name] for name in ("num_embeddings", "embedding_dim") if name in options}
    # `call_of` has sizes of its own; those that are tried replace them.
    return with_options(with_inputs(call, **inputs), **sizes)


def _trials_of_inputs(operation: Operation, info: BackendInfo) -> Iterator[Trial]:
    """Yield trials of the optional inputs, in calls that have them."""
    if operation is Operation.ONE_HOT:
        return
    random = np.random.Generator(np.random.PCG64(5))
    mode = {"mode": "sum"} if operation.is_bag else {}
    weighted = with_inputs(
        in_a_scheme(_telling(operation, mode, ()), info),
        per_sample_weights=random.uniform(0.5, 2, len(TELLING)).astype(np.float32),
    )
    if operation.is_bag and info.lacks(weighted) is None:
        yield _trial_of_input("per_sample_weights", weighted)
    # A stored table has no gradient, and so no upstream one.
    free = {"freeze": False} if operation.is_pretrained else {}
    if operation.is_quantized:
        return
    call = _telling(operation, {**mode, **free}, (Observation.GRAD_WEIGHT,))
    rows = len(STARTS) - 1 if operation.is_bag else len(TELLING)
    upstream = random.uniform(-1, 1, (rows, COLUMNS)).astype(np.float32)
    if info.lacks(call) is None:
        yield _trial_of_input("grad_output", with_inputs(call, grad_output=upstream))


def _trial_of_input(name: str, call: Call) -> Trial:
    question = Question(f"{call.operation} with {name}", call)
    return Trial(name, question, {f"{name} were not given": without(call, name)})


def _misread(call: Call, name: str) -> Iterator[tuple[str, Call]]:
    """Yield descriptions of mistakes in an option, and their calls; the likeliest mistake first."""
    value = call.options[name]
    for others in _mistakes(call, name):
        # None stands for "not given", as `max_norm` without a norm.
        merged = {**call.options, **others}
        options = {key: given for key, given in merged.items() if given is not None}
        if options == call.options:
            continue
        said = " and ".join(f"{key} were {given!r}" for key, given in others.items())
        if others == {name: OPTIONS[name].default} and not isinstance(value, bool):
            said = f"{name} were not given"
        yield said, replace(call, options=options)


def _mistakes(call: Call, name: str) -> Iterator[dict[str, Any]]:
    key: str = name  # A `match` narrows the name.
    value, default = call.options[name], OPTIONS[name].default
    if default is not None or name in ("padding_idx", "max_norm"):
        yield {name: default}
    match name:
        case "padding_idx":
            # Counted from 1, or from the end.
            yield from ({key: other} for other in (value + 1, value - 1, ~value, -value))
        case "max_norm":
            # Exchanged with the order, the order in its place, its square, its root, its inverse.
            order = read_option(call.options, "norm_type")
            yield {"max_norm": order, "norm_type": value}
            yield {"max_norm": order}
            yield from ({key: other} for other in (value**2, value**0.5, 1 / value))
        case "norm_type":
            limit = call.options["max_norm"]
            yield {"max_norm": value, "norm_type": limit}
            yield {"max_norm": value, "norm_type": default}
            yield {key: limit}
            yield {key: math.inf}
        case "mode":
            yield from ({key: other} for other in OPTIONS[name].values)
        case "num_classes":
            yield from ({key: other} for other in (value - 1, value + 1))
        case "num_embeddings" | "embedding_dim":
            rows, columns = call.options["num_embeddings"], call.options["embedding_dim"]
            yield {"num_embeddings": columns, "embedding_dim": rows}
            yield from ({key: other} for other in (value - 1, value + 1))

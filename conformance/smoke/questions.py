"""The calls of the smoke test: plain ones, odd dtypes and tables, and one for each capability."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo, Capability
from embcheck.conformance.contract.call import Call, Observation, Operation, with_inputs
from embcheck.conformance.contract.operation import BAGS, PRETRAINED, WITH_TABLE
from embcheck.conformance.contract.options import OPTIONS, Option, read_option

ROWS, COLUMNS = 5, 4
INDICES = (3, 0, 3, 1)
INDEX_DTYPES = ("int8", "int16", "uint8", "float32", "bool")

# A fraction names one row if it is truncated, another if it is rounded. A boolean names row 0 or 1,
# unless it is taken for a mask.
_CASTABLE = {"float32": (1.5, 0.5, 1.5, 1.5), "bool": (True, False, True, True)}
"""Invalid indices, unless an adapter casts them."""


@dataclass(frozen=True)
class _Need:
    """The observation in which a capability shows, and the options and operations that need it."""

    shows_in: Observation
    options: Mapping[str, Any] = field(default_factory=dict)
    operations: tuple[Operation, ...] = WITH_TABLE


def _need_of(option: Option) -> _Need:
    """Return where an option shows; `padding_idx` shows in the gradients of a lookup only."""
    is_output = not option.about_gradients and option.name != "padding_idx"
    shows_in = Observation.OUTPUT if is_output else Observation.GRAD_WEIGHT
    return _Need(shows_in, {option.name: option.others[0]}, option.operations)


_NEEDS: Mapping[Capability, _Need] = {
    Capability.GRADIENTS: _Need(Observation.GRAD_WEIGHT),
    Capability.SPARSE_GRADIENTS: _Need(Observation.GRAD_WEIGHT_IS_SPARSE, {"sparse": True}),
    Capability.TRAINING: _Need(Observation.TRAINED_WEIGHT),
    Capability.ADAGRAD: _Need(Observation.WEIGHT_TRAINED_BY_ADAGRAD),
    Capability.SPARSE_ADAM: _Need(Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM, {"sparse": True}),
    Capability.PER_SAMPLE_WEIGHTS: _Need(Observation.OUTPUT, operations=BAGS),
    Capability.SHARED_MEMORY: _Need(Observation.SHARES_MEMORY, operations=PRETRAINED),
    **{
        option.capability: _need_of(option)
        for option in OPTIONS.values()
        if option.capability is not None
    },
}


@dataclass(frozen=True)
class Question:
    """A call, and what it is called in a finding."""

    title: str
    call: Call


def call_of(
    operation: Operation,
    options: Mapping[str, Any],
    observe: Iterable[str] = (),
    *,
    by_offsets: bool = False,
) -> Call:
    """Make a small valid call; bags come as a matrix, or by offsets."""
    indices, given = np.array(INDICES), dict(options)
    inputs = {"indices": indices.reshape(2, 2) if operation.is_bag and not by_offsets else indices}
    if operation.is_fresh:
        given |= {"num_embeddings": ROWS, "embedding_dim": COLUMNS}
    elif operation is not Operation.ONE_HOT:
        # No two numbers are the same, so that a wrong row or column shows.
        weight = np.linspace(-0.9, 2.7, ROWS * COLUMNS, dtype=np.float32)
        inputs["weight"] = weight.reshape(ROWS, COLUMNS)
    if by_offsets:
        inputs["offsets"] = np.array(
            [0, 2, 4] if read_option(given, "include_last_offset") else [0, 2]
        )
    wanted = (Observation.OUTPUT, *observe, Observation.INPUTS_AFTER)
    return Call(operation, inputs, given, tuple(map(str, dict.fromkeys(wanted))))


WIDER = 64
"""How many times wider a table is made that is to be stored in 8 or 4 bits."""


def in_a_scheme(call: Call, info: BackendInfo) -> Call:
    """Add a declared scheme to a call on a stored table that names none; other calls stay.

    The table's columns are repeated: libraries may ask for whole blocks, or not store small tables.
    """
    # Any will do, but the same in each run.
    declared = sorted(info.schemes, reverse=True)
    if not call.operation.is_quantized or not declared or "scheme" in call.options:
        return call
    inputs = dict(call.inputs)
    if "weight" in inputs:
        inputs["weight"] = np.repeat(inputs["weight"], WIDER, axis=-1)
    return replace(call, inputs=inputs, options={**call.options, "scheme": declared[0]})


def plain_questions(operation: Operation) -> list[Question]:
    """List everyday calls of an operation; a backend must be able to answer one of them."""
    if operation is Operation.ONE_HOT:
        given: dict[str, dict[str, Any]] = {"given classes": {"num_classes": ROWS}, "": {}}
    elif operation.is_bag:
        given = {f"by rows, {mode}": {"mode": mode} for mode in OPTIONS["mode"].values}
    else:
        given = {"": {}}
    found = [
        Question(f"{operation} {how}".rstrip(), call_of(operation, options))
        for how, options in given.items()
    ]
    if operation.is_bag:
        call = call_of(operation, {"mode": "sum"}, by_offsets=True)
        found.append(Question(f"{operation} by offsets, sum", call))
    return found


def dtype_questions(asked: Question) -> Iterator[Question]:
    """Yield the same call with indices of other dtypes, and bags with offsets of another."""
    indices = asked.call.inputs["indices"]
    for dtype in INDEX_DTYPES:
        values = np.array(_CASTABLE.get(dtype, INDICES), dtype).reshape(indices.shape)
        yield Question(f"{asked.title}, {dtype} indices", with_inputs(asked.call, indices=values))
    if "offsets" in asked.call.inputs:
        offsets = asked.call.inputs["offsets"].astype(np.int32)
        yield Question(f"{asked.title}, int32 offsets", with_inputs(asked.call, offsets=offsets))


def table_questions(asked: Question) -> Iterator[Question]:
    """Yield the same call with invalid tables: of one dimension, and of three."""
    weight = asked.call.inputs.get("weight")
    if weight is not None:
        tables = {"one dimension": weight[:, 0], "three dimensions": weight.reshape(ROWS, 2, -1)}
        for what, table in tables.items():
            call = with_inputs(asked.call, weight=np.ascontiguousarray(table))
            yield Question(f"{asked.title}, a table of {what}", call)


def as_if_cast(question: Question) -> Question | None:
    """Return the call with its indices cast to int64; None if they are integers already."""
    indices = question.call.inputs["indices"]
    if indices.dtype.name not in _CASTABLE:
        return None
    cast = with_inputs(question.call, indices=indices.astype(np.int64))
    return Question(f"{question.title}, cast to int64", cast)


def one_of_each_family(operations: Iterable[Operation]) -> list[Operation]:
    """Leave out modules whose function is asked too."""
    operations = list(operations)
    return [name for name in operations if name.function is name or name.function not in operations]


def capability_questions(
    capability: Capability, operation: Operation, *, with_gradients: bool
) -> list[Question]:
    """List the smallest calls of an operation that need a capability; none if it cannot use it.

    Gradients are observed only if the backend declares them.
    """
    need = _NEEDS[capability]
    if operation not in need.operations:
        return []
    options, observation = dict(need.options), need.shows_in
    # Without gradients, all that can be seen is whether a call with the option is answered.
    if observation is Observation.GRAD_WEIGHT and not (
        with_gradients or capability is Capability.GRADIENTS
    ):
        observation = Observation.OUTPUT
    # PyTorch's default is a frozen weight, which has no gradient and takes no step.
    if operation.is_pretrained and observation not in (
        Observation.OUTPUT,
        Observation.SHARES_MEMORY,
    ):
        options["freeze"] = False
    if operation.is_bag:
        options["mode"] = "sum"
    ways = (False, True) if operation.is_bag else (False,)
    if capability is Capability.INCLUDE_LAST_OFFSET:
        ways = (True,)
    calls = [call_of(operation, options, (observation,), by_offsets=way) for way in ways]
    if capability is Capability.PER_SAMPLE_WEIGHTS:
        calls = [_weighted(call) for call in calls]
    return [Question(f"{operation} that needs {capability}", call) for call in calls]


def is_telling(capability: Capability, call: Call) -> bool:
    """Whether an answer shows that the capability had an effect."""
    # A bag leaves the padding out, which shows in its output.
    if capability is Capability.PADDING_IDX and call.operation.is_bag:
        return True
    return _NEEDS[capability].shows_in in call.observe


def _weighted(call: Call) -> Call:
    factors = np.array([0.5, 2.0, -1.0, 3.0], np.float32)
    return with_inputs(call, per_sample_weights=factors.reshape(call.inputs["indices"].shape))

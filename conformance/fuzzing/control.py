"""The search for a control: the smallest change of a refused call that both sides answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from embcheck.conformance.contract.call import (
    Call,
    Observation,
    Operation,
    with_inputs,
    with_options,
    without,
)
from embcheck.conformance.contract.options import OPTIONS, TABLE_OPTIONS
from embcheck.conformance.fuzzing.traits import rows_of

Repair = Callable[[Call], Call]

MAX_REPAIRS = 3
"""The most repairs of one call. All combinations are tried; more would cost thousands of calls."""


def find_control(call: Call, is_answered: Callable[[Call], bool]) -> Call | None:
    """Return the answered call with the fewest repairs; None if there is none."""
    # A gradient or a step of training could fail in the control for a reason of its own.
    call = replace(call, observe=(Observation.OUTPUT, Observation.INPUTS_AFTER))
    repairs = list(_repairs(call))
    for count in range(1, MAX_REPAIRS + 1):
        for chosen in combinations(repairs, count):
            repaired = call
            for repair in chosen:
                repaired = repair(repaired)
            if is_answered(repaired):
                return repaired
    return None


def _repairs(call: Call) -> Iterator[Repair]:
    """List the possible repairs, each of which a spec can express."""
    # The order matters: among equally many repairs, the first that are answered are taken.
    yield _clip_indices
    yield _as_int64("indices")
    for name in call.options:
        if name not in TABLE_OPTIONS:
            yield _plain_option(name)
    if call.operation is Operation.ONE_HOT:
        yield _enough_classes
    for name in ("per_sample_weights", "offsets", "grad_output"):
        if name in call.inputs:
            yield _without(name)
    if "weight" in call.inputs and call.inputs["weight"].ndim != 2:
        yield _two_dimensions
    if call.operation.is_bag:
        yield from (_flat_indices, _one_bag, _legal_offsets, _as_int64("offsets"))
    if "per_sample_weights" in call.inputs:
        yield _fitting_weights


def _clip_indices(call: Call) -> Call:
    """Move each index to the nearest row."""
    indices, rows = call.inputs["indices"], max(rows_of(call), 1)
    return with_inputs(call, indices=np.clip(indices, 0, rows - 1).astype(indices.dtype))


def _as_int64(name: str) -> Repair:
    def repair(call: Call) -> Call:
        if name not in call.inputs:
            return call
        with np.errstate(invalid="ignore"):
            return with_inputs(call, **{name: call.inputs[name].astype(np.int64)})

    return repair


def _plain_option(name: str) -> Repair:
    plain = "sum" if name == "mode" else OPTIONS[name].default

    return lambda call: with_options(call, **{name: plain})


def _enough_classes(call: Call) -> Call:
    classes = int(call.inputs["indices"].max(initial=0)) + 1
    # An index may be 2**62, and a row of as many classes fits in no memory.
    return with_options(call, num_classes=max(1, min(classes, 100)))


def _without(name: str) -> Repair:
    return lambda call: without(call, name)


def _two_dimensions(call: Call) -> Call:
    weight = call.inputs["weight"]
    columns = weight.shape[-1] if weight.ndim > 1 else 1
    rows = weight.size // columns if columns else weight.shape[0]
    return with_inputs(call, weight=weight.reshape(rows, columns))


def _flat_indices(call: Call) -> Call:
    return with_inputs(call, indices=call.inputs["indices"].reshape(-1))


def _one_bag(call: Call) -> Call:
    """Make all indices one bag."""
    size = call.inputs["indices"].size
    ends = [0, size] if call.option("include_last_offset") else [0]
    return with_inputs(call, offsets=np.array(ends, call.inputs["indices"].dtype))


def _legal_offsets(call: Call) -> Call:
    """Begin at 0, never decrease, and end within the indices."""
    # An earlier repair may have taken them away.
    if "offsets" not in call.inputs:
        return call
    offsets = np.sort(call.inputs["offsets"].reshape(-1).clip(0, call.inputs["indices"].size))
    offsets[:1] = 0  # There may be none.
    return with_inputs(call, offsets=offsets)


def _fitting_weights(call: Call) -> Call:
    if "per_sample_weights" not in call.inputs:
        return call
    ones = np.ones(call.inputs["indices"].shape, call.inputs["weight"].dtype)
    return with_inputs(call, per_sample_weights=ones)

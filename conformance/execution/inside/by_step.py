"""Make a call step by step: find what is freed too early, and what a later call overwrites.

Between two steps, garbage is collected and freed memory is overwritten, as other parts of a program
might do. A thunk that needs an object that it does not keep alive then fails each time, not by
chance.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.inside.attempt import Failed, Reply, attempt, checked
from embcheck.conformance.execution.protocol.messages import CallStep, parse_call
from embcheck.conformance.execution.same import same_bits

Arrays = dict[str, np.ndarray]

SIZES = tuple(2**power for power in range(4, 16))
"""Sizes, in bytes, of the memory that is allocated, written to and freed, besides those of the
inputs."""
TIMES = 8
"""How often each size is allocated: enough to get all freed pieces of that size from an
allocator."""


class _Ended(Exception):
    """The call ends here: it failed, or has reached the last step asked for."""


def ask_by_step(backend: Backend, header: Mapping[str, Any], arrays: Arrays) -> Reply:
    """Make a call up to a step; if that is the second call, return what differs.

    `lost` names the observations that changed when their answer was freed, `differing` those that a
    second, equal call answers differently, and `overwritten` those of the first answer that a later
    call changed. `failed_in` and `said` tell which step raised, and what.
    """
    told: dict[str, Any] = {}
    try:
        with warnings.catch_warnings():  # As in every other call: see `run_call`.
            warnings.simplefilter("ignore")
            _walk(backend, parse_call(header["call"], arrays), CallStep(header["until"]), told)
    except _Ended:
        pass
    return told, {}


def _walk(backend: Backend, call: Call, until: CallStep, told: dict[str, Any]) -> None:
    def take(step: CallStep, action: Callable[[], Any]) -> Any:
        try:
            return attempt(action, step)
        except Failed as failed:
            told["failed_in"] = str(step)
            told["said"] = f"{failed.header['exception']}: {failed.header['message']}"
            raise _Ended from None

    def stir(step: CallStep) -> None:
        _stir(call)
        if step == until:
            raise _Ended

    thunk = take(CallStep.PREPARE, lambda: backend.prepare(call))
    stir(CallStep.PREPARE)
    answers = [take(CallStep.CALL, thunk)]
    stir(CallStep.CALL)
    first = take(CallStep.TO_NUMPY, lambda: _own(call, checked(backend.to_numpy(answers[0]))))
    kept = {name: array.copy() for name, array in first.items()}
    answers.clear()  # The arrays must outlive the answer that they were made from.
    stir(CallStep.TO_NUMPY)
    told["lost"] = [*_changed(first, kept)]
    second = take(CallStep.SECOND_CALL, lambda: _own(call, checked(backend.to_numpy(thunk()))))
    told["differing"] = [*_changed(second, kept)] if not call.operation.is_fresh else []
    del second
    _stir(call)
    before = {name: array.copy() for name, array in first.items()}
    # With other indices, since an equal answer in the memory of the first would change nothing.
    other = replace(call, inputs={name: array.copy() for name, array in call.inputs.items()})
    _roll(other.inputs["indices"])
    _roll(call.inputs["indices"])
    later = [take(CallStep.SECOND_CALL, thunk)]  # It may see the change if it reads the inputs.
    another = take(CallStep.SECOND_CALL, lambda: backend.prepare(other))
    later += [take(CallStep.SECOND_CALL, another)]
    told["overwritten"] = [*_changed(first, before)]


def _own(call: Call, home: Arrays) -> Arrays:
    """Return the observations that share no memory with the inputs, which change."""
    return {
        name: home[name]
        for name in call.observe
        if name in home
        and not any(np.may_share_memory(home[name], a) for a in call.inputs.values())
    }


def _changed(now: Arrays, before: Arrays) -> Iterator[str]:
    for name, array in before.items():
        if name not in now or not same_bits(np.ascontiguousarray(now[name]), array):
            yield name


def _roll(indices: np.ndarray) -> None:
    if indices.flags.writeable:
        indices[...] = np.roll(indices, 1)


def _stir(call: Call) -> None:
    """Collect garbage, and overwrite memory that was freed."""
    gc.collect()
    sizes = (*SIZES, *(array.nbytes for array in call.inputs.values()))
    taken = [np.full(size, 0xA5, np.uint8) for size in sizes for _ in range(TIMES)]
    del taken

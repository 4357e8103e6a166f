"""The comparison of a backend's answer with the reference's.

The reference adds up in float64 and rounds once, so its answer is correctly rounded, and the bounds
of `execution.judging.bounds` hold around it. They do not hold between two backends, since each may
be off by the bound in another direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from embcheck.conformance.contract.call import (
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
)
from embcheck.conformance.contract.options import taken_by
from embcheck.conformance.execution.judging.judge import (
    judge_ending,
    judge_inputs,
    judge_observation,
    judge_refusal,
)
from embcheck.conformance.execution.judging.verdict import Kind, Outcome, Verdict
from embcheck.conformance.execution.protocol.answers import Answer, Answered, Refuser, Rejected
from embcheck.conformance.suite.model import Structure, Values


@dataclass(frozen=True)
class Divergence:
    """A departure of a backend from the reference."""

    kind: Kind | Outcome
    """The kind of a failure; or `crashed`, `timed-out` or `errored`."""
    message: str
    observation: str | None = None
    """What differs, if both answered."""


def compare(call: Call, reference: Answer, answer: Answer) -> Divergence | None:
    """Compare an answer with the reference's answer to the same call; None if they agree.

    Two refusals agree. If the library was not asked, nothing departs. A fresh module draws its own
    weight, so only shapes and dtypes are compared; `on_own_weight` gives a call to compare values.
    """
    if was_not_asked(reference, answer):
        return None
    stopped = judge_ending(reference) or judge_ending(answer)
    if stopped is not None:
        return _divergence(stopped)
    if isinstance(reference, Answered) and isinstance(answer, Answered):
        return _compare_arrays(call, reference.arrays, answer.arrays)
    refusal = _refused_by_one(reference, answer)
    return None if refusal is None else _divergence(refusal)


def was_not_asked(reference: Answer, answer: Answer) -> bool:
    """Whether the library was not asked: the call, or a part of it, cannot be expressed.

    It was not asked either if the adapter itself raised on a call that must be refused.
    """
    if isinstance(answer, Rejected) and answer.refuser is Refuser.ADAPTER:
        return isinstance(reference, Rejected)
    ending = judge_ending(answer)
    return ending is not None and ending.outcome is Outcome.UNSUPPORTED


def on_own_weight(call: Call, answered: Mapping[str, np.ndarray]) -> Call | None:
    """Return the function call that is equivalent to a fresh module, on the weight that it drew.

    None for other operations, and after a training step, which changes the weight that was drawn.
    """
    if not call.operation.is_fresh or call.wants(*TRAINING_OBSERVATIONS):
        return None
    function = call.operation.function
    options = taken_by(function, call.options)
    # The weight after the call stands for the drawn one, since nothing trains it. Rows that
    # `max_norm` has shortened keep their norm when they are shortened again.
    inputs = {**call.inputs, "weight": answered["weight_after"].copy()}
    observe = tuple(name for name in call.observe if name != Observation.TRAINABLE)
    return replace(call, operation=function, inputs=inputs, options=options, observe=observe)


def _refused_by_one(reference: Answer, answer: Answer) -> Verdict | None:
    if isinstance(answer, Rejected) and isinstance(reference, Answered):
        return judge_refusal(answer)
    if isinstance(answer, Answered) and isinstance(reference, Rejected):
        why = f"{reference.exception}: {reference.message}"
        said = f"an invalid call was accepted; the reference refuses it: {why}"
        return Verdict(Outcome.FAILED, Kind.ACCEPTED_INVALID, said)
    return None


def _compare_arrays(
    call: Call, reference: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]
) -> Divergence | None:
    for name in call.observe:
        if name == Observation.INPUTS_AFTER:
            continue
        verdict = judge_observation(name, _wanted(call, reference[name]), call, arrays, None)
        if verdict is not None:
            return _divergence(verdict, name)
    changed = judge_inputs(call, arrays)
    return None if changed is None else _divergence(changed, Observation.INPUTS_AFTER)


def _wanted(call: Call, array: np.ndarray) -> Values | Structure:
    # Two fresh modules draw different weights; booleans do not depend on them.
    if call.operation.is_fresh and array.dtype.kind != "b":
        return Structure(array.shape, array.dtype)
    return Values(array)


def _divergence(verdict: Verdict, observation: str | None = None) -> Divergence:
    # Only a failure has a kind; a crash or a time-out is told by its outcome.
    return Divergence(verdict.kind or verdict.outcome, verdict.message, observation)

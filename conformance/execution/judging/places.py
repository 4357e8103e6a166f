"""Judge an answer to a large call by the places of it that the worker returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from embcheck.conformance.execution.judging.judge import judge_ending, judge_form, judge_refusal
from embcheck.conformance.execution.judging.shown import short
from embcheck.conformance.execution.judging.verdict import Kind, Outcome, Verdict, failure
from embcheck.conformance.execution.protocol.answers import Answer, Answered
from embcheck.conformance.execution.same import equal
from embcheck.conformance.suite.model import Expected, Structure


def judge_places(answer: Answer, expected: Mapping[str, Expected]) -> Verdict:
    """Judge an answer to a large call, of which the worker returned only some places."""
    stopped = judge_ending(answer) or judge_refusal(answer)
    if stopped is not None:
        return stopped
    assert isinstance(answer, Answered)  # noqa: S101  (the other kinds are handled above)
    told = answer.details
    missing = [name for name in expected if name not in told["shapes"]] + told["not_reported"]
    if missing:
        return Verdict(Outcome.ERRORED, message=f"the adapter does not report {missing[0]}")
    for name, wanted in expected.items():
        assert isinstance(wanted, Structure)  # noqa: S101  (specs of large cases are held to that)
        verdict = _judge_place(name, wanted, told, answer.arrays)
        if verdict is not None:
            return verdict
    if told["changed"]:
        return failure(Kind.WRONG_EFFECT, f"the caller's {told['changed'][0]} changed", {})
    return Verdict(Outcome.PASSED)


def _judge_place(
    name: str, wanted: Structure, told: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> Verdict | None:
    shape, dtype = tuple(told["shapes"][name]), told["dtypes"][name]
    if misfit := judge_form(name, shape, dtype, wanted, {}):
        return misfit
    for number, (position, values) in enumerate(wanted.at):
        # Without a bound, since large cases are made of numbers whose sums are exact.
        got = arrays[f"{name}/{number}"]
        if got.shape != values.shape or not equal(got, values).all():
            said = f"{name}{list(position)} = {short(got)}, should be {short(values)}"
            return failure(Kind.WRONG_VALUE, said, {name: got})
    return None

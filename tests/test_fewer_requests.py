"""A run makes no more requests, and restarts workers no more often, than verdicts need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embcheck.conformance.contract.backend import BackendInfo, Provided, Provision
from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.execution.known_answers import KnownAnswers
from embcheck.conformance.execution.protocol.answers import (
    Answered,
    Crashed,
    NotSupported,
    Rejected,
)
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.suite.load import load_spec

LOOKUP = """
behaviour: Rows come out.
operation: embedding
cases:
- id: right
  clauses: [EMB-LOOK-01]
  inputs: &valid
    weight: {dtype: float32, values: [[1], [2]]}
    indices: {dtype: int64, values: [1]}
  expect: {output: reference}
- id: bad
  clauses: [EMB-OOB-02]
  inputs:
    weight: {dtype: float32, values: [[1], [2]]}
    indices: {dtype: int64, values: [-1]}
  rejects:
    control: {inputs: *valid, expect: {output: [[2]]}}
"""
RIGHT = Answered({"output": np.array([[2]], np.float32)})
REFUSED = Rejected("IndexError", "-1 is no row")


class Scripted:
    """A worker that gives one answer to a negative index and another one to all else."""

    info = BackendInfo(
        id="scripted",
        library="none",
        version="1",
        operations={Operation.EMBEDDING: Provided(Provision.NATIVE, "")},
        fresh_worker_after_bad_index=True,
    )

    def __init__(self, to_negative=REFUSED):
        self.to_negative = to_negative
        self.done = []

    def ask(self, call, **_):
        """Record the call and answer it."""
        is_negative = call.inputs["indices"][0] < 0
        self.done.append("bad call" if is_negative else "call")
        after = {f"{name}_after": array for name, array in call.inputs.items()}
        return self.to_negative if is_negative else replace(RIGHT, arrays=RIGHT.arrays | after)

    def restart(self):
        """Record that a fresh worker takes over."""
        self.done.append("restart")


@pytest.fixture
def cases(tmp_path):
    """Load a valid and an invalid lookup, by the last part of their ids."""
    path = tmp_path / "lookups.yaml"
    path.write_text(LOOKUP, "utf-8")
    return {case.id.split("/")[-1]: case for case in load_spec(path).cases}


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (REFUSED, ["bad call", "restart", "call"]),
        (Crashed("the process died"), ["bad call", "restart", "call"]),
        (RIGHT, ["bad call", "restart"]),
        (NotSupported("no lookup is written for it"), ["bad call"]),
    ],
)
def test_a_worker_is_replaced_once_after_a_bad_index(cases, answer, done):
    """A worker is replaced once after a bad index, before the next call, if its library saw it."""
    worker = Scripted(answer)
    CaseRunner(worker, worker).run(cases["bad"])
    assert worker.done == done


def test_the_reference_is_asked_once_for_all_backends(cases):
    """The reference's answer to a call is stored, and judges all backends."""
    reference, known = Scripted(), KnownAnswers()
    for _ in range(3):
        ran = CaseRunner(Scripted(), reference, known).run(cases["right"])
        assert ran.verdict.outcome is Outcome.PASSED
    assert reference.done == ["call"]


def test_what_the_reference_answered_is_dropped_when_it_is_too_much(cases):
    """The oldest stored answers are dropped first, and all are read-only."""
    specs = [replace(cases["right"].spec) for _ in range(3)]
    known, asked = KnownAnswers(most=200), []

    def answer_of(number):
        def ask():
            asked.append(number)
            return {"output": np.zeros(25, np.float32)}

        return known.of(specs[number], ask)

    for number in (0, 1, 0, 2, 1, 0):
        answer = answer_of(number)
    assert asked == [0, 1, 2, 0]
    with pytest.raises(ValueError, match="read-only"):
        answer["output"][0] = 1

"""Cases of several calls, of one call made twice, and of arrays made in the worker."""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.conformance.contract.backend import BackendInfo, Provided, Provision, inputs_after
from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.inside.worker import Worker
from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.execution.protocol.answers import parse_answer
from embcheck.conformance.execution.protocol.messages import describe_info, parse_info
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.suite.load import load_spec
from embcheck.conformance.suite.model import Steps
from embcheck.conformance.suite.problems import SpecError

HEAD = "behaviour: Rows come out.\noperation: embedding\ncases:\n"


def cases_of(folder, text):
    """Load the cases of a spec."""
    path = folder / "steps.yaml"
    path.write_text(HEAD + text, "utf-8")
    return load_spec(path).cases


class Remembers:
    """A backend that keeps the rows of the first call of each shape of indices and repeats them."""

    info = BackendInfo(
        id="remembers",
        library="none",
        version="1",
        operations={Operation.EMBEDDING: Provided(Provision.NATIVE, "")},
    )

    def __init__(self):
        self.kept = {}

    def prepare(self, call):
        """Return a thunk that looks up, or repeats the kept rows."""
        inputs, shape = call.inputs, call.inputs["indices"].shape

        def look_up():
            rows = self.kept.setdefault(shape, inputs["weight"][inputs["indices"]])
            return {"output": rows, **inputs_after(inputs)}

        return look_up

    def to_numpy(self, answer):
        """Return the answer."""
        return answer


class InProcess:
    """A client whose worker is this process."""

    def __init__(self, backend):
        self.info = parse_info(describe_info(backend.info))
        self._worker = Worker(backend)

    def ask(self, call, *, again=False, spelling=None):
        """Answer one call."""
        described = {
            "operation": str(call.operation),
            "options": call.options,
            "observe": call.observe,
        }
        told, arrays = self._worker.ask(
            {"call": described, "again": again, "spelling": spelling}, dict(call.inputs)
        )
        return parse_answer({"status": "answered", **told}, arrays, inputs=call.inputs)


LADDER = """
- id: rungs
  clauses: [EMB-LOOK-01]
  ladder: {rows: [3, 4, 5], columns: [2, 9, 1]}
  inputs:
    weight: {generator: digits, shape: [$rows, $columns], dtype: float32}
    indices: &last {generator: arange, start: -1, step: 0, modulo: $rows, shape: [2], dtype: int64}
  expect:
    output: {generator: digits, rows: *last, shape: [2, $columns]}
"""
SEQUENCE = """
- id: two-tables
  clauses: [EMB-LOOK-01]
  inputs:
    weight: {dtype: float32, values: [[1], [2]]}
    indices: {dtype: int64, values: [1]}
  sequence:
  - expect: {output: [[2]]}
  - inputs: {weight: {dtype: float32, values: [[3], [4]]}}
    expect: {output: [[4]]}
"""


def test_a_ladder_is_one_case_whose_steps_are_calls(tmp_path):
    """A ladder is one case; its steps take the values of its lists in parallel."""
    (case,) = cases_of(tmp_path, LADDER)
    assert isinstance(case.expectation, Steps)
    assert [step.label for step in case.expectation.steps] == [
        "at rows = 3, columns = 2",
        "at rows = 4, columns = 9",
        "at rows = 5, columns = 1",
    ]
    assert [call.inputs["weight"].shape for call in case.calls] == [(3, 2), (4, 9), (5, 1)]


def test_a_step_that_owes_to_an_earlier_one_fails_by_its_name(tmp_path):
    """A step that fails because of an earlier one is named in the message."""
    reference = WorkerClient("numpy-reference")
    try:
        ladder, sequence = cases_of(tmp_path, LADDER + SEQUENCE)
        wrong = CaseRunner(InProcess(Remembers()), reference).run(ladder).verdict
        assert wrong.outcome is Outcome.FAILED
        assert wrong.message.startswith("at rows = 4, columns = 9: output.shape = [2, 2]")
        assert "(also at rows = 5, columns = 1)" in wrong.message
        wrong = CaseRunner(InProcess(Remembers()), reference).run(sequence).verdict
        assert (wrong.outcome, wrong.message) == (
            Outcome.FAILED,
            "in step 2: output[0, 0] = 2.0, should be 4.0",
        )
        for case in (ladder, sequence):
            assert CaseRunner(reference, reference).run(case).verdict.outcome is Outcome.PASSED
    finally:
        reference.close()


class Drifts(Remembers):
    """A backend whose last bit changes each time that a thunk is called."""

    def prepare(self, call):
        """Return a thunk that counts its calls."""
        calls = iter(range(9))

        def look_up():
            rows = call.inputs["weight"][call.inputs["indices"]]
            return {"output": rows + np.float32(1e-6) * next(calls), **inputs_after(call.inputs)}

        return look_up


AGAIN = """
- id: twice
  clauses: [EMB-LOOK-01]
  again: true
  inputs:
    weight: {dtype: float32, values: [[1], [2]]}
    indices: {dtype: int64, values: [1]}
  expect: {output: [[2]]}
"""


def test_the_same_thunk_must_give_the_same_bits(tmp_path):
    """A thunk that gives other bits the second time fails, even within the bound."""
    reference = WorkerClient("numpy-reference")
    try:
        (case,) = cases_of(tmp_path, AGAIN)
        wrong = CaseRunner(InProcess(Drifts()), reference).run(case).verdict
        assert wrong.message == "output: the same thunk called again gave other bits"
        assert CaseRunner(reference, reference).run(case).verdict.outcome is Outcome.PASSED
    finally:
        reference.close()


LARGE = """
- id: beyond
  clauses: [EMB-LOOK-01]
  large: true
  inputs:
    weight: {generator: digits, shape: [300, 5], dtype: float16, base: 127}
    indices: {generator: full, value: 299, shape: [2], dtype: int64}
  expect:
    output:
      shape: [2, 5]
      at: [{position: [1], values: [45, 3, 2, 48, 6]}]
"""


def test_a_large_call_is_made_in_the_worker_and_judged_by_its_places(tmp_path, monkeypatch):
    """A large call's arrays are made in the worker, and its answer is checked at some places.

    Without enough memory the result is `not-run`.
    """
    (case,) = cases_of(tmp_path, LARGE)
    (wrong,) = cases_of(tmp_path, LARGE.replace("48, 6", "48, 7"))
    worker = WorkerClient("numpy-reference")
    try:
        runner = CaseRunner(worker, worker)
        assert runner.run(case).verdict.outcome is Outcome.PASSED
        said = runner.run(wrong).verdict
        assert said.outcome is Outcome.FAILED
        assert said.message.startswith("output[1] = [45.,  3.,  2., 48.,  6.], should be [45.,")
        memory = "embcheck.conformance.execution.run_case.memory_needed"
        monkeypatch.setattr(memory, lambda *_: 10**15)
        said = runner.run(case).verdict
        assert said.outcome is Outcome.NOT_RUN
        assert "needs 931322.6 GiB of free memory" in said.message
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (LADDER.replace("[2, 9, 1]", "[2, 9]"), "the lists of the ladder differ in length"),
        (SEQUENCE.replace("  - expect: {output: [[2]]}\n", "  - {}\n"), "step has no expectation"),
        (LARGE.replace("{generator: full, value: 299, shape: [2], dtype", "{values: [1, 2], dtype"),
         "an input of a large case is not made by a generator"),
        (LADDER.replace("  ladder", "  large: true\n  ladder"), "a large case has several calls"),
        (LARGE.replace("  large: true\n", "").replace("300, 5", "30000, 5000"),
         "more than 10,000,000 elements"),
        (AGAIN.replace("{output: [[2]]}", "{trained_weight: [[1], [1]]}"), "begin from another"),
        (LADDER.replace("digits, rows", "digit, rows"), "no generator 'digit'"),
        (LADDER.replace("step: 0", "step: $none"), "'$none' is not a variable"),
        (LADDER.replace("step: 0", "each: 0"), "each = 0; write a whole number of 1 or more"),
    ],
)  # fmt: skip
def test_mistakes_in_steps_are_told(tmp_path, text, complaint):
    """Mistakes in a ladder, a sequence or a large case are reported."""
    with pytest.raises(SpecError) as error:
        cases_of(tmp_path, text)
    assert complaint in str(error.value)


def test_an_option_an_input_and_an_expectation_may_be_absent(tmp_path):
    """The word `absent` in a matrix leaves an option or an expectation out."""
    matrix = "matrix: {padding: [absent, 0], seen: [false, true]}"
    asked = """  options: {padding_idx: $padding}
  expect: {output: [[2]], grad_weight: {$seen: {false: absent, true: [[0], [1]]}}}"""
    text = AGAIN.replace("again: true", matrix).replace("  expect: {output: [[2]]}", asked)
    cases = cases_of(tmp_path, text)
    assert [(dict(case.spec.options), case.spec.observe) for case in cases] == [
        ({}, ("output",)),
        ({}, ("output", "grad_weight")),
        ({"padding_idx": 0}, ("output",)),
        ({"padding_idx": 0}, ("output", "grad_weight")),
    ]


def test_a_choice_may_name_another_variable(tmp_path):
    """A choice by one variable may be the value of another."""
    matrix = "matrix: {mode: [sum, mean], entries: [2]}"
    chosen = "{generator: full, value: {$mode: {sum: $entries, mean: 7}}}"
    text = AGAIN.replace("again: true", matrix).replace("[[2]]", chosen)
    arrays = [case.expectation.observations["output"].array for case in cases_of(tmp_path, text)]
    assert [array.tolist() for array in arrays] == [[[2]], [[7]]]

"""A refusal counts only if the library was given the call's options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.options import OPTIONS, options_of
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.inside.tracking import tracked, unread
from embcheck.conformance.execution.judging.verdict import Kind, Outcome
from embcheck.conformance.execution.plain_calls import PlainCalls, plain_call
from embcheck.conformance.execution.protocol.answers import (
    Answered,
    NotSupported,
    Rejected,
    TimedOut,
)
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.suite.load import load_spec

LATE, NEVER = "zoo-refuses-halves", "zoo-refuses-halves-and-drops"
DECLINES = "zoo-refuses-halves-and-declines"
"""All three refuse float16 before they read an option. The second never reads `max_norm`; the third
reads it later and declines it as not supported."""
SPEC = """\
behaviour: Calls that a library without float16 refuses.
arrays:
  halves: {dtype: float16, values: [[1, 2], [3, 4]]}
  singles: {dtype: float32, values: [[1, 2], [3, 4]]}
cases:
- id: plain
  clauses: [EMB-LOOK-01]
  operation: embedding
  inputs: {weight: halves, indices: {dtype: int64, values: [0, 1]}}
  expect: {output: [[1, 2], [3, 4]]}
- id: shortened
  clauses: [EMB-NORM-01]
  operation: embedding
  inputs: {weight: halves, indices: {dtype: int64, values: [0, 1]}}
  options: {max_norm: 100.0}
  expect: {output: [[1, 2], [3, 4]]}
- id: default
  clauses: [EMB-NORM-01]
  operation: embedding
  inputs: {weight: halves, indices: {dtype: int64, values: [0, 1]}}
  options: {max_norm: null}
  expect: {output: [[1, 2], [3, 4]]}
- id: padded
  clauses: [EMB-LOOK-01]
  operation: embedding
  inputs: {weight: halves, indices: {dtype: int64, values: [0, 1]}}
  options: {padding_idx: 0}
  expect: {output: [[1, 2], [3, 4]]}
- id: invalid
  clauses: [EMB-NORM-01]
  operation: embedding
  inputs: {weight: halves, indices: {dtype: int64, values: [0, 2]}}
  options: {max_norm: 100.0}
  rejects:
    control:
      inputs: {weight: singles, indices: {dtype: int64, values: [0, 1]}}
      options: {max_norm: null}
      expect: {output: [[1, 2], [3, 4]]}
- id: open
  clauses: [EMB-LOOK-12]
  operation: embedding
  inputs: {weight: halves, indices: {dtype: int64, values: [0, 1]}}
  options: {max_norm: 100.0}
  observe: [output]
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, reference):
    """Return a function that gives the verdicts of a backend, by case."""
    path = Path(tmp_path_factory.mktemp("specs"), "halves.yaml")
    path.write_text(SPEC, "utf-8")
    cases = load_spec(path).cases
    kept = {}

    def verdicts(backend):
        if backend not in kept:
            client = WorkerClient(backend, timeout=60)
            runner = CaseRunner(client, reference)
            kept[backend] = {c.id.split("/")[-1]: runner.run(c).verdict for c in cases}
            client.close()
        return kept[backend]

    return verdicts


@pytest.mark.parametrize("case", ["plain", "shortened", "default", "padded"])
def test_what_is_read_later_was_asked(outcomes, case):
    """A refusal counts if the adapter reads the option in a plain call."""
    verdict = outcomes(LATE)[case]
    assert (verdict.outcome, verdict.kind) == (Outcome.FAILED, Kind.REJECTED_VALID)
    assert "no tables of float16" in verdict.message


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        (NEVER, "the adapter never read max_norm"),
        (DECLINES, "a plain call with max_norm is not supported: the library has no max_norm"),
    ],
)
def test_what_is_never_passed_on_was_not_asked(outcomes, backend, said):
    """A refusal is unsupported if the adapter never passes the option on."""
    found = outcomes(backend)
    for case in ("shortened", "invalid", "open"):
        assert found[case].outcome is Outcome.UNSUPPORTED, case
        assert said in found[case].message
        assert "TypeError: no tables of float16" in found[case].message
    for case in ("plain", "default", "padded"):
        assert found[case].kind is Kind.REJECTED_VALID, case


def test_a_refusal_of_an_invalid_call_that_was_asked_counts(outcomes):
    """A refusal of an invalid call passes if the adapter reads the option in a plain call."""
    assert outcomes(LATE)["invalid"].outcome is Outcome.PASSED
    assert outcomes(LATE)["open"].outcome is Outcome.OBSERVED


class Silent:
    """A client that always gives one answer, and records how it is asked."""

    def __init__(self, answer):
        self.answer, self.calls = answer, []

    def ask(self, call, *, spelling=None):
        self.calls.append((call, spelling))
        return self.answer

    @property
    def info(self):
        return self

    fresh_worker_after_bad_index = False


@pytest.mark.parametrize(
    "answer",
    [
        Rejected("TypeError", "no"),
        NotSupported("no int64", unread=("max_norm",)),
        TimedOut(60.0),
        Answered({}),
    ],
)
def test_only_a_plain_call_that_is_answered_tells(answer):
    """If the plain call shows nothing about the option, the refusal stays as it is."""
    client = Silent(answer)
    plain, refused = PlainCalls(client), Rejected("TypeError", "no", unread=("max_norm",))
    call = _call(Operation.EMBEDDING, {"max_norm": 7.5})
    assert plain.asked(call, refused) is refused
    assert plain.asked(call, refused) is refused
    assert len(client.calls) == 1


def test_what_was_read_is_not_asked_for():
    """A refusal without unread options causes no plain call."""
    client = Silent(Answered({}, details={"unread": ["max_norm"]}))
    refused = Rejected("TypeError", "no")
    assert (
        PlainCalls(client).asked(_call(Operation.EMBEDDING, {"max_norm": 7.5}), refused) is refused
    )
    assert client.calls == []


@pytest.mark.parametrize("operation", [one for one in Operation if one is not Operation.PROBE])
def test_plain_calls_are_valid_and_have_what_was_unread(operation, reference):
    """The plain call for each option is valid and still gives the option a value."""
    for option in options_of(operation):
        value = option.others[0] if option.others else 3
        given = {option.name: "float16" if option.name == "dtype" else value}
        call = plain_call(_call(operation, given))
        assert unread(tracked(call)) in ([option.name], [option.name, "offsets"]) or (
            operation.is_fresh or operation.is_quantized
        )
        assert option.name in unread(tracked(call))
        assert isinstance(reference.ask(call), Answered), call


def test_unusual_values_become_usual_ones():
    """A plain call replaces unusual values of options by usual ones, not by defaults."""
    odd = {"max_norm": -3.5, "padding_idx": 77, "norm_type": float("nan"), "sparse": True}
    call = plain_call(_call(Operation.EMBEDDING, odd))
    assert call.options == {"max_norm": 1.0, "padding_idx": 0, "norm_type": 1, "sparse": True}
    assert not any(value == OPTIONS[name].default for name, value in call.options.items())


def _call(operation, options):
    """Make a call with unusual arrays."""
    given = dict(options)
    if operation.is_fresh:
        given = {"num_embeddings": 2, "embedding_dim": 3} | given
    if operation.is_quantized:
        given = {"scheme": "int8-row"} | given
    inputs = {"indices": np.zeros((0, 5), np.uint8)}
    if not operation.is_fresh and operation is not Operation.ONE_HOT:
        inputs["weight"] = np.zeros((1, 0), np.float16)
    if given.get("include_last_offset"):
        inputs["offsets"] = np.zeros(1, np.uint8)
    return Call(operation, inputs, given)

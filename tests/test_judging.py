"""Verdicts and error bounds, on hand-made answers."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.inside.attempt import Failed, bring_home
from embcheck.conformance.execution.judging.bounds import bound
from embcheck.conformance.execution.judging.judge import (
    judge_bounds,
    judge_inputs,
    judge_observation,
    judge_rejects,
    judge_returns,
)
from embcheck.conformance.execution.judging.steps import joined
from embcheck.conformance.execution.judging.terms import unit_roundoff
from embcheck.conformance.execution.judging.verdict import Kind, Outcome, Verdict
from embcheck.conformance.execution.protocol.answers import Answered, Crashed, Rejected
from embcheck.conformance.suite.model import Structure, Tolerance, Values

WEIGHT = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
INDICES = np.array([0, 2])
CALL = Call(Operation.EMBEDDING, {"weight": WEIGHT, "indices": INDICES}, {}, ("output",))
RIGHT = WEIGHT[INDICES]
AFTER = {"weight_after": WEIGHT, "indices_after": INDICES}


def judged(output, expected=None, tolerance=None, **after):
    """Return the verdict on an output of `CALL`."""
    answer = Answered({"output": output, **AFTER, **after})
    expected = Values(RIGHT) if expected is None else expected
    return judge_returns(CALL, answer, {"output": expected}, tolerance, dict)


def test_the_right_answer_passes():
    """An answer as expected passes."""
    assert judged(RIGHT).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("output", "kind", "words"),
    [
        (RIGHT + np.float32(1e-6), Kind.WRONG_VALUE, r"output\[0, 0\] = 1.00"),
        (RIGHT.astype(np.float64), Kind.WRONG_DTYPE, "output.dtype = float64, should be float32"),
        (RIGHT.reshape(4), Kind.WRONG_SHAPE, r"output.shape = \[4\], should be \[2, 2\]"),
        (np.full_like(RIGHT, np.nan), Kind.WRONG_VALUE, "4 of 4 elements differ"),
    ],
)
def test_a_wrong_answer_has_its_kind(output, kind, words):
    """Wrong shape, dtype and value are different kinds, and the message has both sides."""
    verdict = judged(output)
    assert (verdict.outcome, verdict.kind) == (Outcome.FAILED, kind)
    assert pytest.importorskip("re").search(words, verdict.message)


def test_nan_and_infinities_equal_themselves():
    """Copied NaN and infinities are equal to themselves."""
    special = np.array([[np.nan, np.inf], [-np.inf, 1]], np.float32)
    assert judged(special, Values(special)).outcome is Outcome.PASSED
    assert judged(-special, Values(special)).kind is Kind.WRONG_VALUE


def test_a_changed_input_is_a_wrong_effect():
    """A changed input is a wrong effect even if the output is right."""
    assert judged(RIGHT, indices_after=np.array([0, 1])).kind is Kind.WRONG_EFFECT
    assert judged(RIGHT, weight_after=WEIGHT + 1).kind is Kind.WRONG_EFFECT


def test_an_adapter_that_reports_too_little_is_at_fault():
    """An answer without the inputs or without the wanted observation is errored."""
    answer = Answered({"output": RIGHT})
    verdict = judge_returns(CALL, answer, {"output": Values(RIGHT)}, None, dict)
    assert verdict.outcome is Outcome.ERRORED
    assert judge_returns(CALL, Answered(AFTER), {"output": Values(RIGHT)}, None, dict).outcome is (
        Outcome.ERRORED
    )


def test_structure_is_checked_in_each_part():
    """A structure's known, equal and nonzero positions are all checked."""
    known = (((0,), RIGHT[0]),)
    wanted = Structure((2, 2), np.dtype(np.float32), known, (((0,), (1,)),), ((1,),))
    assert "should equal" in judged(RIGHT, wanted).message
    same = np.array([RIGHT[0], RIGHT[0]])
    assert judged(same, wanted).outcome is Outcome.PASSED
    assert "should be [1., 2.]" in judged(same + 1, wanted).message
    nothing = Structure((2, 2), np.dtype(np.float32), nonzero=((1,),))
    assert "all zeros" in judged(np.zeros_like(RIGHT), nothing).message


def test_a_case_may_state_its_own_bound():
    """A stated tolerance replaces the derived bound."""
    near = RIGHT + np.float32(1e-3)
    assert judged(near).kind is Kind.WRONG_VALUE
    assert judged(near, tolerance=Tolerance("a reason", atol=1e-2)).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("answer", "control", "outcome"),
    [
        (Rejected("IndexError", "no"), Outcome.PASSED, Outcome.PASSED),
        (Rejected("IndexError", "no"), Outcome.FAILED, Outcome.UNSUPPORTED),
        (Rejected("IndexError", "no"), Outcome.UNSUPPORTED, Outcome.UNSUPPORTED),
        (Rejected("IndexError", "no"), Outcome.CRASHED, Outcome.CRASHED),
        (Rejected("IndexError", "no"), Outcome.ERRORED, Outcome.ERRORED),
        (Answered({"output": RIGHT}), Outcome.PASSED, Outcome.FAILED),
        (Crashed("SIGSEGV"), Outcome.PASSED, Outcome.CRASHED),
    ],
)
def test_a_refusal_is_judged_beside_its_control(answer, control, outcome):
    """A refusal passes only if its control passes, and an answer is never a refusal."""
    assert judge_rejects(answer, Verdict(control)).outcome is outcome


def bag(weight, mode="sum", **inputs):
    """Return a call that reduces all rows of a weight to one bag."""
    arrays = {"weight": weight, "indices": np.arange(len(weight))[None], **inputs}
    return Call(Operation.EMBEDDING_BAG, arrays, {"mode": mode})


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_a_sum_in_any_order_is_within_its_bound(dtype, rows):
    """A sum in the table's precision, forwards or backwards, is within its bound."""
    dtype = np.dtype(dtype)
    weight = np.random.default_rng(rows).standard_normal((rows, 3)).astype(dtype)
    exact = weight.astype(np.float64).sum(axis=0, keepdims=True)
    allowed = bound("output", bag(weight), exact.astype(dtype))
    for order in (weight, weight[::-1]):
        total = np.zeros((1, 3), dtype)
        for row in order:
            total = (total + row).astype(dtype)
        assert (np.abs(total.astype(np.float64) - exact) <= allowed).all()


def test_a_sum_in_half_precision_is_outside_the_bound_of_single():
    """A float32 table that is summed in float16 exceeds the bound."""
    weight = np.random.default_rng(0).standard_normal((40, 64)).astype(np.float32)
    exact = weight.astype(np.float64).sum(axis=0, keepdims=True).astype(np.float32)
    rough = weight.astype(np.float16).sum(axis=0, keepdims=True).astype(np.float32)
    assert (np.abs(rough - exact) > bound("output", bag(weight), exact)).any()


def test_lookups_and_maxima_are_exact():
    """Lookups and maxima have a bound of zero, since they copy."""
    assert not bound("output", CALL, RIGHT).any()
    assert not bound("output", bag(WEIGHT, "max"), WEIGHT.max(axis=0, keepdims=True)).any()


def test_the_unit_roundoff_is_half_the_distance_from_1_to_the_next_number():
    """The unit roundoff is 2**-24 for float32 and 2**-8 for bfloat16."""
    assert unit_roundoff(np.dtype(np.float32)) == 2.0**-24
    assert unit_roundoff(np.dtype(ml_dtypes.bfloat16)) == 2.0**-8


ZEROS = np.array([[0.0, -0.0], [-0.0, 0.0]], np.float32)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_a_lookup_keeps_the_sign_of_a_zero(dtype):
    """A lookup must keep the sign of a zero."""
    weight = ZEROS.astype(dtype)
    call = Call(Operation.EMBEDDING, {"weight": weight, "indices": np.arange(2)}, {}, ("output",))
    after = {"weight_after": weight, "indices_after": np.arange(2)}
    expected = {"output": Values(weight)}
    right = judge_returns(call, Answered({"output": weight, **after}), expected, None, dict)
    assert right.outcome is Outcome.PASSED
    answer = Answered({"output": np.abs(weight), **after})
    wrong = judge_returns(call, answer, expected, None, dict)
    assert wrong.kind is Kind.WRONG_VALUE
    assert "output[0, 1] = 0" in wrong.message
    assert "should be -0" in wrong.message


def test_a_callers_zero_keeps_its_sign():
    """An input that changes from -0.0 to 0.0 counts as changed."""
    call = Call(Operation.EMBEDDING, {"weight": ZEROS, "indices": INDICES[:1]}, {}, ("output",))
    arrays = {"weight_after": np.abs(ZEROS), "indices_after": INDICES[:1]}
    verdict = judge_inputs(call, arrays)
    assert verdict is not None
    assert verdict.kind is Kind.WRONG_EFFECT


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_a_sum_or_a_maximum_may_have_a_zero_of_either_sign(mode):
    """A zero sum or maximum may have either sign."""
    call = bag(ZEROS, mode)
    for zero in (ZEROS[:1], -ZEROS[:1]):
        arrays = {"output": zero}
        assert judge_observation("output", Values(ZEROS[:1]), call, arrays, None) is None


def test_a_gradient_may_have_a_zero_of_either_sign():
    """A zero gradient may have either sign."""
    call = replace(CALL, observe=("grad_weight",))
    wanted = Values(np.zeros((3, 2), np.float32))
    arrays = {"grad_weight": -wanted.array}
    assert judge_observation("grad_weight", wanted, call, arrays, None) is None


def test_a_reading_tells_negative_zeros_from_positive_ones():
    """A reading of -0.0 fits only -0.0; a reading of 0.0 fits both zeros."""
    slack = Tolerance("a few roundings", rtol=1e-6)
    for got, stated, fits in [
        (-0.0, -0.0, True),
        (0.0, -0.0, False),
        (0.0, 0.0, True),
        (-0.0, 0.0, True),
    ]:
        wanted = Values(np.full((1, 2), stated, np.float32))
        arrays = {"output": np.full((1, 2), got, np.float32)}
        verdict = judge_observation("output", wanted, bag(ZEROS), arrays, slack, is_reading=True)
        assert (verdict is None) == fits, (got, stated)


def test_nan_need_not_keep_its_payload():
    """A NaN with other bits or another sign counts as equal."""
    row = np.array([[np.nan, 1]], np.float32)
    call = Call(Operation.EMBEDDING, {"weight": row, "indices": INDICES[:1]}, {}, ("output",))
    other = np.array([[0x7FC00123, 0x3F800000]], np.uint32).view(np.float32)
    for got in (row, -row * [[1, -1]], other):
        arrays = {"output": got.astype(np.float32)}
        assert judge_observation("output", Values(row), call, arrays, None) is None


def test_a_verdict_tells_how_wide_its_bounds_were():
    """A verdict has the relative width of its bound, 0 for exact answers, also if it failed."""
    assert judged(RIGHT).bound_width == 0
    wide = judged(RIGHT, tolerance=Tolerance("a reason", rtol=0.01))
    assert wide.bound_width == pytest.approx(0.01)
    assert judged(RIGHT + 1, tolerance=Tolerance("a reason", rtol=0.01)).bound_width is not None
    call = bag(np.array([[1], [2], [2**-24]], np.float32))
    expected = Values(np.array([[3]], np.float32))
    after = {f"{name}_after": array for name, array in call.inputs.items()}
    next_to_it = np.nextafter(expected.array, np.float32(4))
    for got, allowed in ((expected.array, 0), (next_to_it, 4 * 2**-24)):
        answer = Answered({"output": got, **after})
        verdict = judge_returns(call, answer, {"output": expected}, None, dict)
        assert verdict.outcome is Outcome.PASSED
        assert verdict.bound_width == pytest.approx(allowed, rel=0.01)


def test_an_answer_within_a_bound_that_tells_nothing_is_merely_observed():
    """An answer within too wide a bound is only observed; one outside it fails."""
    wide = Tolerance("a reason", rtol=0.2)
    verdict = judged(RIGHT, tolerance=wide)
    assert verdict.outcome is Outcome.OBSERVED
    assert verdict.bound_width == pytest.approx(0.2)
    assert "not judged" in verdict.message
    assert judged(RIGHT * 2, tolerance=wide).kind is Kind.WRONG_VALUE
    assert judged(RIGHT, indices_after=np.array([0, 1]), tolerance=wide).kind is Kind.WRONG_EFFECT


def test_a_tolerance_around_zero_is_measured_by_the_terms_of_the_call():
    """A tolerance around a zero result is judged against the size of its terms."""
    call = bag(np.array([[1], [-1]], np.float32))
    expected = {"output": Values(np.zeros((1, 1), np.float32))}
    assert judge_bounds(call, expected, Tolerance("a reason", atol=0.1)).outcome is Outcome.PASSED
    assert judge_bounds(call, expected, Tolerance("a reason", atol=0.5)).outcome is Outcome.OBSERVED


def test_steps_have_the_width_of_the_widest_and_failures_come_before_what_is_not_judged():
    """Joined steps have the widest bound, and a failed step outweighs one that is not judged."""
    passed = Verdict(Outcome.PASSED, bound_width=0.01)
    unjudged = Verdict(Outcome.OBSERVED, message="not judged", bound_width=0.5)
    failed = Verdict(Outcome.FAILED, Kind.WRONG_VALUE, "is wrong", bound_width=0.02)
    assert joined([("a", passed), ("b", passed)], 2).bound_width == 0.01
    assert joined([("a", unjudged), ("b", passed)], 2).outcome is Outcome.OBSERVED
    both = joined([("a", unjudged), ("b", failed)], 2)
    assert (both.outcome, both.bound_width) == (Outcome.FAILED, 0.5)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (RIGHT.astype(">f4"), "byte order"),
        (np.ma.masked_array(RIGHT, mask=RIGHT > 1), "mask"),
        (np.zeros(2, [("row", np.float32)]), "dtype"),
        (RIGHT.tolist(), "not an array"),
    ],
    ids=["big-endian", "masked", "structured", "a list"],
)
def test_what_is_no_plain_native_array_is_the_adapters_fault(array, words):
    """An answer that is no plain array in native byte order is errored, with the reason."""
    with pytest.raises(Failed) as failed:
        bring_home(lambda answer: {"output": answer}, array)
    assert failed.value.header["status"] == "errored"
    assert words in failed.value.header["message"]

"""If several entries hold a maximum, any split of its gradient among them passes, and no other."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.execution.judging.judge import judge_returns
from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.execution.protocol.answers import Answered
from embcheck.conformance.suite.model import Tolerance, Values

DTYPES = [np.float64, np.float32, np.float16, ml_dtypes.bfloat16]
TABLE = [[2, 1], [2, 3], [2, 3], [1, 0]]
"""In a bag of all rows, three rows hold the first column's maximum and two the second's."""
UPSTREAM = [[6, 8]]


def largest(weight, indices, upstream, observe=Observation.GRAD_WEIGHT, **options):
    """Return a call of embedding_bag with mode max."""
    inputs = {"weight": weight, "indices": np.array(indices), "grad_output": upstream}
    return Call(Operation.EMBEDDING_BAG, inputs, {"mode": "max", **options}, (observe,))


def all_rows(dtype=np.float32, **options):
    """Return such a call on one bag of all rows of `TABLE`."""
    return largest(np.array(TABLE, dtype), [[0, 1, 2, 3]], np.array(UPSTREAM, dtype), **options)


def passes(call, got, wanted=None, tolerance=None):
    """Whether an answer passes; by default the reference's answer is expected."""
    name = call.observe[0]
    if wanted is None:
        wanted = NumpyReference().prepare(call)()[name]
    inputs = {f"{name}_after": array for name, array in call.inputs.items()}
    answer = Answered({name: np.asarray(got).astype(wanted.dtype), **inputs})
    return judge_returns(call, answer, {name: Values(wanted)}, tolerance, dict).outcome is (
        Outcome.PASSED
    )


CHOICES = {
    "first": [[6, 0], [0, 8], [0, 0], [0, 0]],
    "last": [[0, 0], [0, 0], [6, 8], [0, 0]],
    "between": [[0, 0], [6, 8], [0, 0], [0, 0]],
    "equal parts": [[2, 0], [2, 4], [2, 4], [0, 0]],
    "unequal parts": [[1, 0], [2, 7], [3, 1], [0, 0]],
}
WRONG = {
    "a mean's": [[1.5, 2], [1.5, 2], [1.5, 2], [1.5, 2]],
    "nothing": [[0, 0], [0, 0], [0, 0], [0, 0]],
    "all to each": [[6, 0], [6, 8], [6, 8], [0, 0]],
    "too much": [[6, 0], [1, 8], [0, 0], [0, 0]],
    "too little": [[2, 0], [2, 8], [1, 0], [0, 0]],
    "to the smallest": [[6, 0], [0, 0], [0, 0], [0, 8]],
    "in the wrong column": [[0, 6], [8, 0], [0, 0], [0, 0]],
    "less than nothing": [[12, 0], [-6, 8], [0, 0], [0, 0]],
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("got", CHOICES.values(), ids=CHOICES)
def test_every_split_among_the_largest_passes(got, dtype):
    """Any split among the largest entries passes."""
    assert passes(all_rows(dtype), got)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("got", WRONG.values(), ids=WRONG)
def test_no_other_gradient_passes(got, dtype):
    """A gradient that loses, adds or misplaces some of the upstream one fails."""
    assert not passes(all_rows(dtype), got)


@pytest.mark.parametrize("copies", [2, 3, 6, 7, 100, 5000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=str)
def test_copies_of_one_row_may_round_their_parts(copies, dtype):
    """Parts for copies of one row may be rounded, but parts for the whole bag fail."""
    weight = np.array([[0.5], [1]], dtype)
    call = largest(weight, [[0, *[1] * copies]], np.array([[7]], dtype))
    part = dtype(7) / dtype(copies)
    added = dtype(0)
    for _ in range(copies):
        added += part
    assert passes(call, [[0], [added]])
    assert passes(call, [[0], [7]])
    of_a_mean = 7 / (copies + 1)
    assert not passes(call, [[of_a_mean], [copies * of_a_mean]])
    assert not passes(call, [[0], [7 * (1 + 1e-3)]])


def test_six_copies_may_come_to_a_little_less_than_seven():
    """6.9999995 in place of 7 passes for six copies, as in JAX and MLX; 6.999 fails."""
    call = largest(np.ones((2, 1), np.float32), [[1] * 6], np.array([[7]], np.float32))
    assert passes(call, [[0], [6.9999995]])
    assert not passes(call, [[0], [6.999]])


def test_many_rows_in_equal_parts_leave_no_room_for_a_means_gradient():
    """In half precision, 1,000 equal parts pass, but the gradient of a mean of 3,000 rows fails."""
    weight = np.tile(np.array([[3], [1], [2]], np.float16), (1000, 1))
    call = largest(weight, np.arange(3000)[None], np.array([[6]], np.float16))
    assert passes(call, np.where(weight == 3, 6 / 1000, 0))
    assert not passes(call, np.full((3000, 1), 6 / 3000))
    assert not passes(call, np.where(weight == 3, 6 / 900, 0))


def test_rows_that_tie_in_several_bags_share_what_these_hand_on():
    """A row that ties in several bags may get any part of each bag's gradient."""
    weight = np.ones((3, 1), np.float32)
    call = largest(weight, [[0, 1], [1, 2]], np.array([[2], [16]], np.float32))
    for right in ([2, 16, 0], [0, 18, 0], [2, 0, 16], [0, 2, 16], [1, 9, 8]):
        assert passes(call, np.reshape(right, (3, 1))), right
    for wrong in ([0, 0, 18], [18, 0, 0], [2, 16, 16], [0, 0, 0], [3, 15, 0]):
        assert not passes(call, np.reshape(wrong, (3, 1))), wrong


@pytest.mark.parametrize("got", CHOICES.values(), ids=CHOICES)
def test_a_trained_weight_shows_any_choice(got):
    """A trained weight may follow any valid split, and no other."""
    call = all_rows(observe=Observation.TRAINED_WEIGHT)
    weight = np.array(TABLE, np.float32)
    assert passes(call, weight - np.array(got))
    assert not passes(call, weight - np.array(WRONG["a mean's"]))
    assert not passes(call, weight)


def test_only_a_right_expectation_stands_for_the_others():
    """If a case expects no valid split, only its expectation passes."""
    call = all_rows()
    wanted = np.array(WRONG["a mean's"], np.float32)
    assert passes(call, wanted, wanted)
    assert not passes(call, CHOICES["first"], wanted)


def test_a_stated_tolerance_holds_around_what_is_stated():
    """With a stated tolerance, only the split that the case states passes."""
    tolerance = Tolerance("a reason", rtol=1e-6)
    assert passes(all_rows(), CHOICES["first"], tolerance=tolerance)
    assert not passes(all_rows(), CHOICES["last"], tolerance=tolerance)


def test_padding_takes_no_part_in_a_tie():
    """The padding row gets no part of a gradient."""
    call = all_rows(padding_idx=2)
    assert passes(call, [[3, 0], [3, 8], [0, 0], [0, 0]])
    assert not passes(call, CHOICES["equal parts"])


def test_zeros_of_both_signs_tie():
    """-0.0 and 0.0 tie."""
    call = largest(np.array([[-0.0], [0]], np.float32), [[0, 1]], np.array([[4]], np.float32))
    for right in ([4, 0], [0, 4], [2, 2]):
        assert passes(call, np.reshape(right, (2, 1)))


def test_the_first_step_of_an_optimiser_after_a_tie_is_not_judged():
    """A first Adagrad step after a tie is not judged: any tied row may move by a whole step."""
    call = all_rows(observe=Observation.WEIGHT_TRAINED_BY_ADAGRAD)
    wanted = NumpyReference().prepare(call)()[call.observe[0]]
    inputs = {f"{name}_after": array for name, array in call.inputs.items()}
    answer = Answered({call.observe[0]: wanted, **inputs})
    verdict = judge_returns(call, answer, {call.observe[0]: Values(wanted)}, None, dict)
    assert verdict.outcome is Outcome.OBSERVED
    assert "not judged" in verdict.message

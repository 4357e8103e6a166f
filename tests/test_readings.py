"""Readings name what an undefined call did, only if no other explanation fits."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.judging.readings import read, recognise
from embcheck.conformance.execution.judging.rows import RowWord, explanations
from embcheck.conformance.suite.model import Observes, Returns, Tolerance, Values

TABLE = np.array([[11, 12], [21, 22], [31, 32], [41, 42], [51, 52], [61, 62]], np.float32)
ROWS = len(TABLE)


def call(index, operation=Operation.EMBEDDING, weight=TABLE, observe=("output",), **options):
    """Return a call with a single index, or with several if a list is given."""
    indices = np.array(index if isinstance(index, list) else [index])
    inputs = {"indices": indices[None] if operation.is_bag else indices}
    if operation is not Operation.ONE_HOT:
        inputs["weight"] = weight
    return Call(operation, inputs, options, (*observe, "inputs_after"))


def clamped(index):
    """Answer with the nearest row."""
    return TABLE[[min(max(index, 0), ROWS - 1)]]


def wrapped(index):
    """Answer with the row of the index modulo the number of rows."""
    return TABLE[[index % ROWS]]


def narrowed(index):
    """Answer with the row of the index's lower 32 bits; negative ones count from the end."""
    return TABLE[[np.array([index]).astype(np.int32)[0]]]


@pytest.mark.parametrize(
    ("index", "behave", "word"),
    [
        (6, clamped, "clamps to the last row"),
        (1000, clamped, "clamps to the last row"),
        (-1, clamped, "clamps to row 0"),
        (-7, clamped, "clamps to row 0"),
        (-1, wrapped, "wraps (row 5)"),
        (-7, wrapped, "wraps (row 5)"),
        (1000, wrapped, "wraps (row 4)"),
        (2**32 + 2, wrapped, "wraps (row 0)"),
        (2**32 + 2, narrowed, "wraps modulo 2**32 (row 2)"),
        (2**32 - 3, narrowed, "wraps modulo 2**32 (row 3)"),
        (2, clamped, "row 2"),
        (2, lambda _: TABLE[[3]], "another row (3)"),
        (1000, lambda _: TABLE[[2]], "another row (2)"),
        (-1, lambda _: TABLE[[2]], "another row (2)"),
        (6, lambda _: np.zeros((1, 2), np.float32), "zeros"),
        (6, lambda _: np.full((1, 2), np.nan, np.float32), "NaN"),
        (6, lambda _: np.array([[7, 1e-30]], np.float32), "foreign values"),
        (6, lambda _: np.array([[61, 7]], np.float32), "foreign values"),
        (6, lambda _: np.array([[0, np.nan]], np.float32), "other"),
        (6, lambda _: np.array([[np.inf, 0]], np.float32), "other"),
        (6, lambda _: np.array([[12, 11]], np.float32), "other"),
        (6, lambda _: TABLE[[0, 1]], "other"),
        (6, lambda _: TABLE[:0], "other"),
    ],
)
@pytest.mark.parametrize("operation", [Operation.EMBEDDING, Operation.EMBEDDING_BAG])
def test_planted_behaviours_are_named(operation, index, behave, word):
    """Each way of answering a bad index has its text, in lookups and in bags of one."""
    assert recognise(call(index, operation), "output", behave(index)).text == word


@pytest.mark.parametrize(
    ("index", "answer", "word"),
    [
        (6, TABLE[[5]], RowWord.CLAMPS),
        (-1, TABLE[[5]], RowWord.WRAPS),
        (2**32 + 2, TABLE[[2]], RowWord.WRAPS),
        (6, TABLE[[3]], RowWord.ANOTHER_ROW),
        (2, TABLE[[2]], RowWord.ROW),
        (6, TABLE[[0]] * 0, RowWord.ZEROS),
        (6, TABLE[[0]] * np.nan, RowWord.NAN),
        (6, TABLE[[0]] * 100, RowWord.FOREIGN),
        (6, TABLE[:0], RowWord.OTHER),
    ],
)
def test_what_is_named_has_its_word(index, answer, word):
    """A reading has a word beside its text, unless its name is the case's own."""
    assert recognise(call(index), "output", answer).word is word
    own = {name: Returns({"output": Values(answer)}) for name in ("of its own", str(word))}
    if answer.size:
        stated = [read(call(index), {"output": answer}, Observes({n: own[n]})) for n in own]
        assert [reading.word for reading in stated] == [None, word]


@pytest.mark.parametrize(
    ("index", "row", "word"),
    [
        (-1, 5, "wraps (row 5)"),
        (6, 5, "clamps to the last row"),
        (6, 3, "another row (3)"),
        (2**32 + 2, 2, "wraps modulo 2**32 (row 2)"),
    ],
)
def test_effects_name_rows_too(index, row, word):
    """The row that got the gradient, was shortened, or is hot is named as well."""
    gradient, shortened = np.zeros_like(TABLE), TABLE.copy()
    gradient[row], shortened[row] = 1, TABLE[row] / 10
    assert recognise(call(index), "grad_weight", gradient).text == word
    assert recognise(call(index, max_norm=1.0), "weight_after", shortened).text == word
    hot = np.eye(ROWS, dtype=np.int64)[[row]]
    assert recognise(call(index, Operation.ONE_HOT, num_classes=ROWS), "output", hot).text == word


def test_a_boolean_number_of_classes_is_a_number():
    """A boolean num_classes is read as a number."""
    undefined = call(0, Operation.ONE_HOT, num_classes=True)
    assert recognise(undefined, "output", np.array([[1]])).text == "row 0"


def test_effects_on_no_row_or_on_several_are_not_rows():
    """A gradient of zeros is `zeros`, and an effect on several rows is `other`."""
    assert recognise(call(6), "grad_weight", np.zeros_like(TABLE)).text == "zeros"
    assert recognise(call(6), "grad_weight", np.ones_like(TABLE)).text == "other"
    assert recognise(call(6), "grad_weight", np.eye(6, 2, dtype=np.float32)).text == "other"
    assert recognise(call(6, max_norm=1.0), "weight_after", TABLE).text == "other"
    assert recognise(call(6, max_norm=1.0), "weight_after", TABLE + 1).text == "other"


def test_two_explanations_leave_the_row_alone():
    """If two explanations lead to the same row, only the row is named."""
    assert recognise(call(2**32 + 5), "output", TABLE[[5]]).text == "row 5"
    assert recognise(call(-6), "output", TABLE[[0]]).text == "row 0"


def test_equal_rows_are_not_told_apart():
    """If two rows are equal, or a row is zeros or NaN, the reading is `other`."""
    twice = TABLE[[0, 1, 2, 3, 4, 4]]
    assert recognise(call(6, weight=twice), "output", twice[[5]]).text == "other"
    zeros = TABLE * np.array([[1], [1], [1], [1], [1], [0]], np.float32)
    assert recognise(call(6, weight=zeros), "output", zeros[[5]]).text == "other"
    nan = np.where(zeros == 0, np.nan, zeros)
    assert recognise(call(6, weight=nan), "output", nan[[5]]).text == "other"
    assert recognise(call(6, weight=nan), "output", nan[[4]]).text == "another row (4)"


def test_what_is_computed_is_never_foreign():
    """A computed answer that fits nothing is `other`, and never `foreign values`."""
    odd = np.array([[7, 7]], np.float32)
    bag = Operation.EMBEDDING_BAG
    assert recognise(call([0, 9], bag, mode="max"), "output", odd).text == "foreign values"
    assert recognise(call([0, 9], bag, mode="sum"), "output", odd).text == "other"
    assert recognise(call(9, max_norm=1.0), "output", odd).text == "other"
    assert recognise(call(9, max_norm=1.0), "output", TABLE[[1]]).text == "other"
    weighted = call(9, bag, mode="sum")
    weighted.inputs["per_sample_weights"] = np.ones((1, 1), np.float32)
    assert recognise(weighted, "output", odd).text == "other"
    assert recognise(call([0, 9]), "output", TABLE[[1]]).text == "other"


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64, np.int64, complex])
def test_any_dtype_of_the_table_is_read(dtype):
    """Rows, zeros and foreign values are recognised in tables of any dtype."""
    table = TABLE.astype(dtype)
    asked = call(6, weight=table)
    assert recognise(asked, "output", table[[5]]).text == "clamps to the last row"
    assert recognise(asked, "output", table[[5]] * 0).text == "zeros"
    assert recognise(asked, "output", table[[5]] * 0 + table.dtype.type(7)).text == "foreign values"


def test_stated_readings_come_first():
    """The case's stated readings come before the general ones, in order."""
    stated = {
        "as stated": Returns({"output": Values(TABLE[[5]])}),
        "again": Returns({"output": Values(TABLE[[5]])}),
    }
    answer = {"output": TABLE[[5]]}
    assert read(call(6), answer, Observes(stated)).text == "as stated"
    assert read(call(6), answer, Observes()).text == "clamps to the last row"
    assert read(call(6), {"output": TABLE[[1]]}, Observes(stated)).text == "another row (1)"


def test_stated_readings_need_no_legal_call():
    """Stated readings are compared within a few roundings, also if the call is illegal."""
    asked = call([0, 9], Operation.EMBEDDING_BAG, mode="sum")
    stated = Observes({"left out": Returns({"output": Values(TABLE[[0]])})})
    near = TABLE[[0]] * np.float32(1 + 3e-7)
    assert read(asked, {"output": near}, stated).text == "left out"
    assert read(asked, {"output": TABLE[[0]] * np.float32(1 + 1e-6)}, stated).text == "other"


def test_several_observations_must_agree():
    """If several things are observed, a reading must fit all of them."""
    asked = call(6, observe=("output", "grad_weight"))
    zeros = {"output": TABLE[[0]] * 0, "grad_weight": TABLE * 0}
    assert read(asked, zeros, Observes()).text == "zeros"
    assert read(asked, {**zeros, "output": TABLE[[5]]}, Observes()).text == "other"
    assert read(asked, {"output": zeros["output"]}, Observes()).text == "other"


def test_explanations_of_the_smallest_integer():
    """-2**31 fits in 32 bits, so cutting it to them is no explanation."""
    found = {way.text: row for way, row in explanations(-(2**31), ROWS).items()}
    assert found == {"clamps to row 0": 0, "wraps (row 4)": 4}


def test_a_case_may_give_its_readings_more_room():
    """A case's own tolerance applies to its readings."""
    readings = Observes({"the row": Returns({"output": Values(TABLE[[5]])})})
    near = {"output": TABLE[[5]] * np.float32(1 + 1e-5)}
    room = Tolerance("an answer in a narrower dtype", rtol=1e-4)
    assert read(call(6), near, readings).text == "foreign values"
    assert read(call(6), near, readings, room).text == "the row"
    assert read(call(6), {"output": TABLE[[1]]}, readings, room).text == "another row (1)"

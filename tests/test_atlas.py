"""The ledger and the atlases of bad indices and offsets are complete and unambiguous."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from embcheck.conformance.execution.judging.rows import RowWord, explanations
from embcheck.conformance.suite.load import load_spec, spec_files, suite_root
from embcheck.conformance.suite.model import Observes, Values

ATLAS = load_spec(suite_root() / "atlas" / "bad_index.yaml").cases
OFFSETS = load_spec(suite_root() / "atlas" / "bad_offsets.yaml").cases
OBSERVED = [
    case
    for path in spec_files()
    for case in load_spec(path).cases
    if isinstance(case.expectation, Observes)
]
NARROW = {
    "legal", "past-the-end", "minus-one", "past-the-start", "far", "int32-max", "int32-min",
}  # fmt: skip
WIDE = {*NARROW, "over-int32", "over-uint32"}
NARROW_OFFSETS = {
    "legal", "minus-one", "far-negative", "just-past", "far-past", "int32-max", "decreasing",
    "first-not-zero",
}  # fmt: skip
WIDE_OFFSETS = {*NARROW_OFFSETS, "over-int32", "over-uint32"}


def table_of(case):
    """Return the table that a case takes rows from."""
    if "weight" in case.spec.inputs:
        return case.spec.inputs["weight"].array()
    return np.eye(case.spec.options["num_classes"])


@pytest.mark.parametrize("case", ATLAS, ids=lambda case: case.id)
def test_explanations_of_the_atlas_differ(case):
    """Each explanation of a bad index leads to a different row, and no two rows are equal."""
    (index,) = case.spec.inputs["indices"].array().reshape(-1).tolist()
    table = table_of(case)
    assert len(np.unique(table, axis=0)) == len(table)
    assert table.any(axis=1).all()
    assert (case.parameters["place"] == "legal") == (0 <= index < len(table))
    if case.parameters["place"] != "legal":
        rows = explanations(index, len(table)).values()
        assert len(rows) >= 2
        assert len({*rows}) == len(rows)


def test_over_32_bits_has_a_third_explanation():
    """2**32 + 2 also shows whether an index is cut to 32 bits; 2**31 + 2, cut, names no row."""
    ways = {
        case.parameters["place"]: {
            way.text: row for way, row in explanations(_index(case), 6).items()
        }
        for case in ATLAS
    }
    assert ways["over-uint32"] == {
        "clamps to the last row": 5,
        "wraps (row 0)": 0,
        "wraps modulo 2**32 (row 2)": 2,
    }
    assert [*ways["over-int32"]] == ["clamps to the last row", "wraps (row 4)"]


def _index(case):
    return int(case.spec.inputs["indices"].array().reshape(-1)[0])


def test_the_atlas_has_no_gaps():
    """The atlas has each operation at each place, for both index dtypes (one_hot: int64 only)."""
    asked = Counter(
        (
            case.spec.operation.value,
            case.spec.observe[0],
            case.spec.options.get("mode"),
            case.parameters["dtype"],
            case.spec.inputs["indices"].array().dtype.name,
            case.parameters["place"],
        )
        for case in ATLAS
    )
    calls = [
        ("embedding", "output", None),
        ("embedding_from_pretrained", "output", None),
        *(("embedding_bag", "output", mode) for mode in ("sum", "mean", "max")),
        ("embedding_bag_from_pretrained", "output", "sum"),
        ("one_hot", "output", None),
        ("embedding", "grad_weight", None),
        ("embedding", "weight_after", None),
    ]
    wanted = Counter(
        (*call, dtype, dtype, place)
        for call in calls
        for dtype, places in (("int32", NARROW), ("int64", WIDE))
        for place in places
        if (call[0], dtype) != ("one_hot", "int32")
    )
    assert asked == wanted


def test_the_atlas_of_offsets_has_no_gaps():
    """The atlas of offsets has each mode at each place, with and without include_last_offset.

    Sums are asked with both dtypes.
    """
    asked = Counter(
        (
            case.spec.options["mode"],
            bool(case.spec.options.get("include_last_offset")),
            case.spec.inputs["indices"].array().dtype.name,
            case.spec.inputs["offsets"].array().dtype.name,
            case.parameters["place"],
        )
        for case in OFFSETS
    )
    calls = [("sum", "int32", NARROW_OFFSETS)]
    calls += [(mode, "int64", WIDE_OFFSETS) for mode in ("sum", "mean", "max")]
    wanted = Counter(
        (mode, has_end, dtype, dtype, place)
        for mode, dtype, places in calls
        for has_end in (False, True)
        for place in places
    )
    assert asked == wanted


@pytest.mark.parametrize("case", OFFSETS, ids=lambda case: case.id)
def test_offsets_are_bad_for_one_reason(case):
    """Legal offsets keep all rules; the offsets of each other place break exactly one."""
    offsets = case.spec.inputs["offsets"].array().tolist()
    size = case.spec.inputs["indices"].array().size
    has_end = bool(case.spec.options.get("include_last_offset"))
    place = case.parameters["place"]
    starts = offsets[:-1] if has_end else offsets
    assert offsets[-1] == size or not has_end
    assert (starts[0] != 0) == (place == "first-not-zero")
    outside = [offset for offset in starts if not 0 <= offset <= size]
    assert bool(outside) == (place not in {"legal", "decreasing", "first-not-zero"})
    if not outside:
        assert (starts != sorted(starts)) == (place == "decreasing")


def test_cuts_at_every_place_can_be_told_apart():
    """No two runs of the indices have the same sum, so a sum shows which entries a bag has."""
    case = OFFSETS[0]
    column = case.spec.inputs["weight"].array()[case.spec.inputs["indices"].array(), 0]
    size = len(column)
    sums = [column[i:j].sum() for i in range(size) for j in range(i + 1, size + 1)]
    assert len({*sums}) == len(sums)


@pytest.mark.parametrize("case", OBSERVED, ids=lambda case: case.id)
def test_readings_can_be_told_apart(case):
    """All stated readings of a case differ, and PyTorch's is one that can be recorded."""
    readings = case.expectation.readings
    shown = [
        repr([(n, _plain(wanted)) for n, wanted in r.observations.items()])
        for r in readings.values()
    ]
    assert len({*shown}) == len(shown)
    general = {RowWord.RAISES, RowWord.ZEROS, RowWord.NAN, RowWord.FOREIGN, None}
    pytorch = case.expectation.pytorch
    assert pytorch in {*general, *readings} or pytorch.startswith(("row ", "another row ("))


def _plain(wanted):
    return (wanted.array.dtype, wanted.array.tolist()) if isinstance(wanted, Values) else wanted

"""The ledger and the atlas: what backends do where any result is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from report_runs import HOSTILE, TABLE, case, every_outcome, left_open, reads, result, run

from embcheck.conformance.execution.judging.rows import RowWord
from embcheck.conformance.records.lines import CaseLine
from embcheck.reports.ledger import Ledger, ledger, ledger_counts
from embcheck.reports.merge import merge
from embcheck.reports.page.atlas import Atlas, AtlasReading, atlas
from embcheck.reports.page.html import render_html
from embcheck.reports.readings import WORDS, reading_of


def _ledger(lines: list[Any], *backends: str) -> Ledger:
    return ledger(merge([run(lines, backends)]))


def _observed(number: float) -> dict[str, Any]:
    return {"output": {"dtype": "float32", "shape": [1], "values": [number]}}


@pytest.mark.parametrize(
    ("text", "word", "shown"),
    [
        ("raises", "raises", "raises"),
        ("clamps to row 0", "clamps", "clamps"),
        ("wraps modulo 2**32 (row 2)", "wraps", "wraps"),
        ("row 2", "row N", "row N"),
        ("other", "other", "other"),
        ("zeros the padding row", None, "as said"),
        ("row 2 and nothing else", None, "as said"),
        ("zeros", None, "zeros"),
        ("odd", "no such word", "as said"),
    ],
)
def test_a_reading_is_shown_by_its_word(text: str, word: str | None, shown: str) -> None:
    """A reading is shown by its recorded word; without one, by its text if that is a word."""
    of = left_open("embedding/open/a", pytorch=text)
    lines = [of, reads("one", text, of, reading_word=word)]
    (row,) = _ledger(lines, "one").cases.rows
    assert row.cells[0].reading.word.name == shown
    assert row.pytorch is not None
    assert (row.pytorch.word.name, row.pytorch.text) == (shown, text)


def test_every_word_of_the_record_has_a_look() -> None:
    """The ledger has a style for each word that a result may have."""
    assert {str(word) for word in RowWord} <= {word.name for word in WORDS}


def test_known_departures_of_the_ledger_are_counted_by_whose_they_are() -> None:
    """Known departures of implementation-defined cases are counted by category."""
    cases = [left_open(f"embedding/open/{number}") for number in range(3)]
    known = {"happens": "crashed", "category": "bug", "cause": "memory-unsafety", "reason": "r"}
    lines = [result("one", "deviated", of, kind="crashed", deviation=known) for of in cases[:2]]
    lines.append(reads("one", "zeros", cases[2]))
    assert _ledger([*cases, *lines], "one").categories == {"bug": 2}
    page = render_html([run([*cases, *lines], ["one"])])
    assert "Known departures from that: 2 bug." in page
    assert "Known departures from that" not in render_html([run([*cases, lines[2]], ["one"])])


def test_backends_that_read_alike_do_not_differ() -> None:
    """A row differs if two backends do, or if one differs from PyTorch's stated reading."""
    alike, apart, unlike = (
        left_open(f"embedding/open/{name}", pytorch=pytorch)
        for name, pytorch in (("alike", "raises"), ("apart", None), ("unlike", "raises"))
    )
    lines = [alike, apart, unlike]
    lines += [reads(name, "raises", alike) for name in ("one", "two")]
    lines += [reads("one", "raises", apart), reads("two", "zeros", apart)]
    lines += [reads(name, "NaN", unlike) for name in ("one", "two")]
    table = _ledger(lines, "one", "two").cases
    assert [row.differs for row in table.rows] == [False, True, True]
    assert [[cell.departs for cell in row.cells] for row in table.rows] == [
        [False, False],
        [False, False],
        [True, True],
    ]
    assert table.differing == 2


def test_what_has_no_word_is_compared_by_its_values() -> None:
    """Answers without a word are compared by their values, and short values are shown."""
    same, other = left_open("embedding/open/same"), left_open("embedding/open/other")
    lines = [same, other]
    lines += [reads(name, "other", same, observed=_observed(1.0)) for name in ("one", "two")]
    lines += [
        reads(name, "other", other, observed=_observed(value))
        for name, value in (("one", 1.0), ("two", 2.0))
    ]
    rows = _ledger(lines, "one", "two").cases.rows
    assert [row.differs for row in rows] == [False, True]
    assert [cell.glimpse for cell in rows[1].cells] == ["[1]", "[2]"]


def test_a_crash_is_a_reading_and_what_is_unsupported_is_none() -> None:
    """A crash counts as a difference, an unsupported case does not."""
    dies, lacks = left_open("embedding/open/dies"), left_open("embedding/open/lacks")
    lines = [dies, lacks, reads("one", "zeros", dies), reads("one", "zeros", lacks)]
    lines += [result("two", "crashed", dies, message="SIGSEGV")]
    lines += [result("two", "unsupported", lacks, message="no capability")]
    rows = _ledger(lines, "one", "two").cases.rows
    assert [row.differs for row in rows] == [True, False]
    assert [row.cells[1].reading.text for row in rows] == ["crash", "n/a"]
    known = {"happens": "crashed", "reason": "a known bug"}
    found = merge([run([dies, result("two", "deviated", dies, deviation=known)], ["two"])])
    assert reading_of(found.findings[0]).word.name == "crash"


def test_cases_that_differ_only_in_parameters_make_one_row_if_read_alike() -> None:
    """Variants of a case share a row if all backends read them alike."""
    cases = [
        left_open(f"embedding/open/a[dtype={dtype}]", parameters={"dtype": dtype})
        for dtype in ("float16", "float32", "float64")
    ]
    words = ("raises", "zeros", "raises")
    lines = [*cases, *(reads("one", word, of) for word, of in zip(words, cases, strict=True))]
    rows = _ledger(lines, "one").cases.rows
    assert [row.variants for row in rows] == [
        ("dtype=float16", "dtype=float64"),
        ("dtype=float32",),
    ]


def test_probes_and_the_atlas_stand_apart() -> None:
    """Probes have a table of their own; atlas and scored cases are not in the ledger."""
    plain, chart = left_open("embedding/open/a"), left_open("atlas/bad/a")
    probe = left_open("torch_only/modules/printed", call={"operation": "probe"})
    lines = [plain, chart, probe, case()]
    lines += [reads(name, "raises", of) for of in (plain, chart) for name in ("torch", "jax")]
    lines += [reads("torch", "as printed", probe), result("torch"), result("jax")]
    found = _ledger(lines, {"id": "torch", "operations": ["probe"]}, "jax")  # type: ignore[arg-type]
    assert [group.behaviour for group in found.cases.groups] == ["embedding/open"]
    assert found.cases.columns == ("torch", "jax")
    assert [group.behaviour for group in found.probes.groups] == ["torch_only/modules"]
    assert found.probes.columns == ("torch",)


def test_a_run_without_open_cases_has_no_ledger() -> None:
    """A run without implementation-defined cases has no ledger, and no link to it."""
    lines = [case(), result("acme")]
    assert not _ledger(lines, "acme")
    page = render_html([run(lines, ["acme"])])
    assert 'id="ledger"' not in page
    assert 'href="#ledger"' not in page
    assert 'id="atlas"' not in page


def test_only_what_was_observed_is_counted() -> None:
    """Only cases that were observed on some backend are counted."""
    asked, lacking = left_open("embedding/open/a", pytorch="raises"), left_open("embedding/open/b")
    lines = [asked, lacking, reads("acme", "raises", asked), result("acme", "unsupported", lacking)]
    counts = ledger_counts(merge([run(lines, ["acme"])]))
    assert (counts.observed, counts.stated, counts.unlike_pytorch) == (1, 1, 0)


def _place(place: str, dtype: str, index: int, **more: Any) -> CaseLine:
    indices = {"dtype": dtype, "shape": [1], "values": [index]}
    parameters = {"dtype": dtype, "place": place, **more}
    name = ",".join(f"{key}={value}" for key, value in parameters.items())
    call = {"operation": "embedding", "inputs": {"weight": TABLE, "indices": indices}}
    return left_open(f"atlas/bad_index/lookup[{name}]", parameters=parameters, call=call)


def _atlas(lines: list[Any], *backends: str) -> Atlas:
    return atlas(merge([run(lines, backends)]))


def _said(cell: tuple[AtlasReading, ...]) -> list[tuple[str, str]]:
    return [(item.reading.text, item.variants) for item in cell]


def test_the_atlas_has_places_across_and_backends_down() -> None:
    """In the atlas each place is a column with its index, and each backend a row."""
    below, above = _place("minus-one", "int64", -1), _place("far", "int64", 1000)
    lines = [below, above]
    lines += [reads(name, "raises", below) for name in ("one", "two")]
    lines += [reads("one", "NaN", above), result("two", "crashed", above)]
    found = _atlas(lines, "one", "two")
    assert [(place.name, place.index) for place in found.places] == [
        ("minus-one", "-1"),
        ("far", "1000"),
    ]
    (group,) = found.groups
    assert group.name == "lookup"
    assert [row.backend for row in group.rows] == ["one", "two"]
    assert [_said(cell) for cell in group.rows[1].cells] == [[("raises", "")], [("crash", "")]]
    assert [word.name for word in found.words] == ["raises", "crash", "NaN"]


def test_a_cell_names_variants_only_where_they_differ() -> None:
    """A cell names variants such as dtypes only if their readings differ."""
    cases = [
        _place("far", dtype, 1000, mode=mode)
        for dtype in ("int32", "int64")
        for mode in ("sum", "max")
    ]
    by_dtype = {"int32": "raises", "int64": "zeros"}
    lines: list[Any] = [*cases, *(reads("same", "NaN", of) for of in cases)]
    lines += [reads("dtype", by_dtype[of.parameters["dtype"]], of) for of in cases]
    words = ("raises", "NaN", "NaN", "NaN")
    lines += [reads("odd", word, of) for word, of in zip(words, cases, strict=True)]
    lines += [
        reads("mixed", word, of) for word, of in zip(["a", "b", "b", "a"], cases, strict=True)
    ]
    rows = _atlas(lines, "same", "dtype", "odd", "mixed").groups[0].rows
    assert {row.backend: _said(row.cells[0]) for row in rows} == {
        "same": [("NaN", "")],
        "dtype": [("raises", "int32"), ("zeros", "int64")],
        "odd": [("raises", "int32, sum"), ("NaN", "int32 max; int64 sum; int64 max")],
        "mixed": [("a", "int32 sum; int64 max"), ("b", "int32 max; int64 sum")],
    }


def test_a_place_that_an_operation_lacks_is_an_empty_cell() -> None:
    """A place that an operation does not have is an empty cell."""
    one = _place("far", "int64", 1000)
    two = left_open("atlas/other/bag", parameters={"place": "near"}, call={"operation": "one_hot"})
    found = _atlas([one, two, reads("acme", "NaN", one), reads("acme", "zeros", two)], "acme")
    assert [[len(cell) for cell in group.rows[0].cells] for group in found.groups] == [
        [1, 0],
        [0, 1],
    ]
    assert [place.index for place in found.places] == ["1000", ""]


def test_hostile_readings_stay_text() -> None:
    """Hostile readings, messages, values and parameters add no markup to either page."""
    bad = f"</td></script>{HOSTILE}"
    value = {bad: {"dtype": bad, "shape": bad, "values": [bad]}}
    cases = [
        left_open(
            f"{folder}/{bad}/{bad}",
            title=bad,
            behaviour=bad,
            clauses=(bad,),
            pytorch=bad,
            parameters={"place": bad, bad: bad},
            call={"operation": bad, "inputs": {"indices": {"values": [bad]}}},
        )
        for folder in ("embedding", "atlas")
    ]
    lines = [*cases, *(reads(bad, bad, of, message=bad, observed=value) for of in cases)]
    page = render_html([run(lines, [bad])])
    assert page.count("<script") == 2
    assert not {"\u202e", "\x1b"} & set(page)
    assert 'id="atlas"' in page
    assert 'id="ledger"' in page


def test_many_observed_cases_stay_small() -> None:
    """200 observed cases with values on four backends take less than a megabyte."""
    backends = [f"backend-{number}" for number in range(4)]
    cases = [left_open(f"embedding/file{number % 9}/case-{number}") for number in range(200)]
    lines = [
        reads(name, "other", of, observed={"output": TABLE}) for of in cases for name in backends
    ]
    assert len(render_html([run([*cases, *lines], backends)])) < 1_000_000


def test_an_observed_result_without_a_reading_is_not_compared() -> None:
    """An observed result without a reading is not compared."""
    merged = merge([every_outcome()])
    assert ledger_counts(merged).observed == 0
    assert [cell.reading.text for cell in ledger(merged).cases.rows[0].cells] == ["observed"]

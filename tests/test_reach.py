"""Sizes that no case asks, and options that no case combines, are reported and fail the gate."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from commands import embcheck
from report_evidence import coverage_data, evidence
from report_runs import every_outcome

from embcheck.cli.coverage import coverage
from embcheck.conformance.coverage import reach as shipped
from embcheck.conformance.coverage.ladder import Excuse, Ladder, load_ladder
from embcheck.conformance.coverage.looks import LOOKS
from embcheck.conformance.coverage.options import OPTIONS, values_of
from embcheck.conformance.coverage.pair_table import pair_table
from embcheck.conformance.coverage.reach import reach_of
from embcheck.conformance.coverage.rules import OptionPair, Rule, Rules, load_rules, wanted_pairs
from embcheck.conformance.coverage.scored import asked, refused
from embcheck.conformance.coverage.size_table import size_table
from embcheck.conformance.coverage.sizes import SizeAxis, bag_lengths, sizes_of
from embcheck.conformance.suite.load import load_spec, spec_files, suite_root
from embcheck.conformance.suite.model import Level
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.page.html import render_html

FOLDER = suite_root() / "documentation"
BAGS = """behaviour: Bags.
operation: embedding_bag
cases:
- id: ragged
  clauses: [BAG-MODE-01]
  ladder: {rows: [9, 5], columns: [2, 3]}
  inputs:
    weight: {generator: digits, shape: [$rows, $columns], dtype: float16}
    indices: {dtype: int32, values: [4, 4, 4, 0, 1, 4]}
    offsets: {dtype: int32, values: [0, 0, 1, 4, 6]}
  options: {mode: sum, include_last_offset: true, padding_idx: 4}
  expect: {output: reference}
"""
LOOKUPS = """behaviour: Lookups.
operation: embedding
arrays:
  table: {generator: digits, shape: [7, 2], dtype: float32}
cases:
- id: known
  clauses: [EMB-LOOK-01]
  inputs: {weight: table, indices: {dtype: int64, values: [[1, 1, 3]]}}
  expect: {output: reference}
- id: known-in-places
  clauses: [EMB-LOOK-01]
  inputs: {weight: table, indices: {generator: full, value: 1, shape: [64], dtype: int64}}
  expect: {output: {shape: [64, 2], at: [{position: [0], values: [1, 1]}]}}
- id: open
  clauses: [DT-05]
  inputs: {weight: table, indices: {generator: full, value: 1, shape: [65], dtype: int64}}
  observe: [output]
- id: large
  clauses: [EMB-LOOK-01]
  large: true
  inputs: {weight: table, indices: {generator: full, value: 1, shape: [66], dtype: int64}}
  expect: {output: {shape: [66, 2], at: [{position: [0], values: [1, 2]}]}}
- id: refused
  clauses: [EMB-OOB-01]
  inputs: {weight: table, indices: {dtype: int32, values: [7]}}
  options: {padding_idx: -1}
  rejects:
    control:
      inputs: {indices: {generator: full, value: 1, shape: [67], dtype: int64}}
      expect: {output: reference}
- id: refused-otherwise
  clauses: [EMB-PAD-RANGE-01]
  inputs: {weight: table, indices: {dtype: int32, values: [1]}}
  options: {padding_idx: 7}
  rejects:
    control:
      options: {padding_idx: 6}
      expect: {output: reference}
"""


def cases_of(folder, text):
    """Write a spec, and load its cases."""
    file = folder / "made" / "made.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return load_spec(file).cases


@pytest.fixture(scope="module")
def cases():
    """Return all shipped cases."""
    return [case for file in spec_files() for case in load_spec(file).cases]


@pytest.fixture(scope="module")
def ladder():
    """Return the shipped thresholds of sizes."""
    return load_ladder(FOLDER / "sizes.yaml")


@pytest.fixture(scope="module")
def rules():
    """Return the shipped rules about pairs of options."""
    return load_rules(FOLDER / "pairs.yaml")


def test_the_lengths_of_all_bags_and_the_counts_of_all_rows_are_sizes(tmp_path):
    """The sizes of a call include the lengths of all bags and the repeats of all rows."""
    (case,) = cases_of(tmp_path, BAGS)
    first, second = (one.spec for one in asked([case]))
    assert bag_lengths(first).tolist() == [0, 1, 3, 2]
    assert sizes_of(first) == {
        SizeAxis.ROWS: {9},
        SizeAxis.COLUMNS: {2},
        SizeAxis.POSITIONS: {6},
        SizeAxis.BAGS: {4},
        SizeAxis.ENTRIES: {0, 1, 2, 3},
        SizeAxis.REPEATS: {1, 4},
    }
    assert sizes_of(second)[SizeAxis.ROWS] == {5}
    assert sizes_of(first, of_padding=True)[SizeAxis.REPEATS] == {4}
    without_last = replace(first, options={"mode": "sum"})
    assert bag_lengths(without_last).tolist() == [0, 1, 3, 2, 0]


def test_only_scored_calls_that_are_checked_in_full_count(tmp_path):
    """Only scored calls whose whole answer is checked cross a threshold.

    Undefined behaviour, controls and large cases do not; answers known in some places only do not
    either.
    """
    cases = cases_of(tmp_path, LOOKUPS)
    assert [one.case.rpartition("/")[2] for one in asked(cases)] == ["known", "known-in-places"]
    thresholds = Ladder((1, 2, 3, 64, 65, 66, 67), dict.fromkeys(SizeAxis, 2))
    table = size_table(asked(cases), thresholds)
    found = {(one.look, one.axis): one for one in table.crossings}
    positions = found["lookup", SizeAxis.POSITIONS]
    assert (positions.largest, positions.crossed) == (3, (3,))
    assert found["lookup", SizeAxis.REPEATS].crossed == (1, 2)
    assert found["gradient", SizeAxis.ROWS].largest == 0
    extents = {(one.dtype, one.look, one.axis): one for one in table.extents}
    assert not extents["float32", "lookup", SizeAxis.REPEATS].missing
    assert extents["float16", "lookup", SizeAxis.REPEATS].missing


def test_a_size_that_is_taken_away_is_a_gap(cases, ladder):
    """Without the cases of 770 columns, the threshold 770 is reported as missing."""
    calls = list(asked(cases))
    whole = size_table(calls, ladder)
    had = {(one.look, one.axis): one.missing for one in whole.crossings}
    assert 770 not in had["sum gradient", SizeAxis.COLUMNS]
    (look,) = [look for look in LOOKS if look.name == "sum gradient"]
    fewer = [
        one for one in calls if not (look.sees(one) and 770 in sizes_of(one.spec)[SizeAxis.COLUMNS])
    ]
    assert len(fewer) < len(calls)
    broken = size_table(fewer, ladder)
    lost = {(one.look, one.axis): one.missing for one in broken.crossings if one.missing}
    assert 770 in lost["sum gradient", SizeAxis.COLUMNS]
    assert broken.gaps > whole.gaps


def test_a_dtype_that_stays_small_is_a_gap(cases, ladder):
    """Without large calls in bfloat16, its sizes are reported as missing."""
    calls = list(asked(cases))
    small = [
        one
        for one in calls
        if "weight" not in one.spec.inputs
        or one.spec.inputs["weight"].dtype.name != "bfloat16"
        or max(max(sizes, default=0) for sizes in sizes_of(one.spec).values()) < 100
    ]
    lost = [one for one in size_table(small, ladder).extents if one.missing]
    assert {one.dtype for one in lost} == {"bfloat16"}
    assert {one.look for one in lost} == {look.name for look in LOOKS} - {"one_hot"}


def test_reasons_for_sizes_hold_where_they_say_and_idle_ones_are_told(tmp_path):
    """An excuse covers its own looks, axes and sizes only; one that covers nothing is reported."""
    calls = list(asked(cases_of(tmp_path, LOOKUPS)))
    axes = dict.fromkeys(SizeAxis, 1)
    excuses = (
        Excuse("too wide", look=("lookup",), axis=("columns",), at_least=8),
        Excuse("no such dtype here", dtype=("float16",)),
        Excuse("asked all the same", look=("lookup",), axis=("columns",), dtype=("float32",)),
    )
    table = size_table(calls, Ladder((2, 7, 8, 9), axes, excuses))
    (columns,) = [o for o in table.crossings if (o.look, o.axis) == ("lookup", SizeAxis.COLUMNS)]
    assert columns.left_out == {8: "too wide", 9: "too wide"}
    assert columns.missing == (7,)
    dtypes = {one.dtype for one in table.extents if one.missing}
    assert "float16" not in dtypes
    assert "bfloat16" in dtypes
    assert table.idle_reasons == ("asked all the same",)


def test_options_that_do_nothing_in_a_call_do_not_count(tmp_path):
    """Options without effect in a call do not count, such as `sparse` without a gradient."""
    known, *_ = (one.spec for one in asked(cases_of(tmp_path, LOOKUPS)))
    found = values_of(replace(known, options={"sparse": True, "norm_type": 1.0}))
    assert not {"sparse", "scale_grad_by_freq", "norm_type", "upstream"} & set(found)
    assert (found["observed"], found["rank"], found["repeats"]) == ("output", "2", "some")
    gradient = replace(
        known,
        options={"sparse": True, "max_norm": 1.0, "norm_type": 3.0, "padding_idx": 0},
        observe=("output", "grad_weight"),
    )
    found = values_of(gradient)
    assert found["observed"] == "both"
    assert (found["sparse"], found["scale_grad_by_freq"]) == ("true", "false")
    assert (found["norm_type"], found["padding_idx"]) == ("other", "non-negative")
    assert found["upstream"] == "ones"
    (case,) = cases_of(tmp_path, BAGS)
    bags = values_of(case.spec)
    assert (bags["form"], bags["empty bags"], bags["mode"]) == ("last offset", "some", "sum")
    assert bags["per_sample_weights"] == "none"


def test_a_bad_index_goes_only_with_a_call_that_must_be_refused_for_it(tmp_path):
    """A refusal counts for a bad index only if the index is the reason for it."""
    cases = cases_of(tmp_path, LOOKUPS)
    (found,) = refused(cases)
    assert (found.case.rpartition("/")[2], found.index) == ("refused", "too large")
    table = pair_table([], [found], Rules())
    (lookups,) = [one for one in table.operations if one.operation == "embedding"]
    bad = ("index", "too large")
    assert OptionPair("embedding", ("padding_idx", "negative"), bad) not in lookups.missing
    assert OptionPair("embedding", ("indices", "int32"), bad) not in lookups.missing
    assert OptionPair("embedding", ("padding_idx", "none"), bad) in lookups.missing
    beside = OptionPair("embedding", ("padding_idx", "negative"), ("indices", "int32"))
    assert beside in lookups.missing


def test_a_pair_that_is_taken_away_is_a_gap(cases, rules):
    """Without the cases that combine two options, the pair is reported as missing."""
    calls, refusals = list(asked(cases)), list(refused(cases))
    whole = pair_table(calls, refusals, rules)
    had = [pair for one in whole.operations for pair in one.missing]
    pair = OptionPair(
        "embedding_bag", ("padding_idx", "negative"), ("per_sample_weights", "trained")
    )
    options = dict((pair.first, pair.second))
    fewer = [
        one
        for one in calls
        if one.spec.operation != pair.operation
        or any(values_of(one.spec).get(option) != value for option, value in options.items())
    ]
    assert len(fewer) < len(calls)
    lost = [p for one in pair_table(fewer, refusals, rules).operations for p in one.missing]
    assert pair in lost
    assert pair not in had
    bad = [one for one in refusals if one.spec.options.get("sparse")]
    kept = [one for one in refusals if one not in bad]
    lost = [p for one in pair_table(calls, kept, rules).operations for p in one.missing]
    refusal = OptionPair("embedding", ("sparse", "true"), ("index", "negative"))
    assert refusal in lost
    assert refusal not in had


def test_reasons_for_pairs_are_held_to_the_cases(tmp_path):
    """A pair called impossible that a case has is reported, and a rule that covers nothing too."""
    calls = list(asked(cases_of(tmp_path, LOOKUPS)))
    impossible = Rule("no such thing", (), (("rank", frozenset({"2"})), ("repeats", frozenset())))
    idle = Rule("for nothing", ("embedding",), (("observed", frozenset({"output"})),), frozenset())
    others = Rule("all the rest", ("embedding",), (), frozenset({"observed"}))
    table = pair_table(calls, [], Rules((impossible,), (others,)))
    (lookups,) = [one for one in table.operations if one.operation == "embedding"]
    assert [pair.describe() for pair in lookups.contradicted] == ["repeats some x rank 2"]
    assert all("observed" in (p.first[0], p.second[0]) for p in lookups.missing)
    assert set(lookups.left_out.values()) == {"all the rest"}
    assert table.idle_reasons == ()
    full = pair_table(
        calls, [], Rules((), (replace(idle, values=(("observed", frozenset({"x"})),)),))
    )
    assert full.idle_reasons == ("for nothing",)


def test_every_pair_is_wanted_once(rules):
    """Each pair of options is wanted once, and the rules exempt less than a fifth of the pairs."""
    pairs = list(wanted_pairs())
    assert len(pairs) == len(set(pairs))
    for operation in ("embedding", "embedding_bag", "one_hot"):
        every = [pair for pair in pairs if pair.operation == operation]
        kept = [
            pair
            for pair in every
            if not any(rule.covers(pair) for rule in (*rules.impossible, *rules.left_out))
        ]
        assert len(kept) > 0.8 * len(every)
        for option in OPTIONS[operation]:
            assert any(option in dict((pair.first, pair.second)) for pair in kept)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("sizes.yaml", "[255, 256,", "[257, 256,", "the thresholds do not grow; sort them"),
        (
            "sizes.yaml",
            "left_out:",
            "left_out:\n- {look: [lookups], reason: x}",
            "there is no look 'lookups'; use one of",
        ),
        ("sizes.yaml", "left_out:", "left_out:\n- {axis: [rows]}", "lacks 'reason'"),
        ("pairs.yaml", "clause: OH-09", "clause: OH-99", "there is no clause 'OH-99'"),
        ("pairs.yaml", "{sparse: [], obs", "{spares: [], obs", "there is no option 'spares'"),
        ("pairs.yaml", "mode: [max], sparse", "mode: [min], sparse", "mode has no value 'min'"),
    ],
)
def test_mistakes_in_the_reasons_are_told(tmp_path, name, old, new, words):
    """Unknown looks, options, values and clauses are reported with their place."""
    text = (FOLDER / name).read_text()
    assert old in text
    file = tmp_path / "documentation" / name
    file.parent.mkdir()
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(SpecError, match=r"yaml:\d+:\d+: ") as raised:
        (load_ladder if name == "sizes.yaml" else load_rules)(file)
    assert words in str(raised.value)
    done = embcheck("check", file)
    assert (done.returncode, words in done.stderr) == (2, True)


def test_the_gate_fails_where_a_threshold_or_a_pair_is_not_crossed(monkeypatch, tmp_path):
    """`embcheck coverage` exits with 1 and names the missing sizes and pairs."""
    ladder, rules = load_ladder(FOLDER / "sizes.yaml"), load_rules(FOLDER / "pairs.yaml")
    longer = replace(ladder, thresholds=(*ladder.thresholds, 70_001))
    monkeypatch.setattr(shipped, "load_ladder", lambda _: longer)
    monkeypatch.setattr(shipped, "load_rules", lambda _: replace(rules, left_out=()))
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(coverage, ["--out", str(tmp_path)])
    assert done.exit_code == 1
    assert max(len(line) for line in done.output.splitlines()) <= 80
    assert "bag mean, entries: 70001" in done.output
    assert "embedding_module: padding_idx none x max_norm set" in done.output
    found = json.loads((tmp_path / "coverage.json").read_text())
    (entries,) = [
        one
        for one in found["sizes"]["crossings"]
        if (one["look"], one["axis"]) == ("bag mean", "entries")
    ]
    assert entries["missing"] == [70_001]
    lost = {one["operation"]: one["missing"] for one in found["pairs"]["operations"]}
    assert ["padding_idx none", "max_norm set"] in lost["embedding_module"]
    assert found["gaps"] > 100


def test_levels_that_are_not_scored_are_left_out(cases):
    """Calls of implementation-defined clauses do not count."""
    by_id = {case.id: case for case in cases}
    levels = {by_id[one.case].level for one in asked(cases)}
    assert levels == {Level.DOCUMENTED, Level.UPSTREAM_TESTED, Level.SCHEME}
    assert {by_id[one.case].level for one in refused(cases)} <= {*levels, Level.DOMAIN}


def test_the_report_shows_both_tables_and_obeys_no_text(cases, ladder, rules):
    """The coverage page shows both tables with what is missing, and escapes hostile names."""
    found = reach_of(cases, replace(ladder, thresholds=(1, 70_001)), rules).as_json()
    found["sizes"]["crossings"][0]["look"] = "<script>alert(1)</script>"
    page = render_html([every_outcome()], evidence(coverage_data(**found)))
    for words in ("Options together", "bag mean, entries: 70001", "of 2 thresholds"):
        assert words in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    older = render_html([every_outcome()], evidence(coverage_data()))
    assert "Options together" not in older

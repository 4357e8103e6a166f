"""Features, what decides them, and the data that ships: never `yes` from a part."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from embcheck.cli.main import main
from embcheck.conformance.records.lines import CaseLine, KnownDeviation, ResultLine
from embcheck.conformance.suite.features import load_features, shipped_features
from embcheck.conformance.suite.load import shipped_clauses
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports import compat
from embcheck.reports.compat_made import stale
from embcheck.reports.conditions import phrase
from embcheck.reports.marks import mark_of
from embcheck.reports.merge import Finding
from embcheck.reports.support import How, Support, decision


def case(name="embedding/lookup/a", *, level="documented", operation="embedding", **more):
    """Return a case with a small call; `more` are options, or `inputs`."""
    inputs = {
        "weight": {"dtype": "float32", "shape": [4, 3]},
        "indices": {"dtype": "int64", "shape": [2]},
        **more.pop("inputs", {}),
    }
    call = {"operation": operation, "inputs": inputs, "options": more, "observe": ["output"]}
    return CaseLine(name, "A title.", "A sentence.", ("EMB-LOOK-01",), level, "", call, {})


def finding(outcome, kind=None, *, of=None, deviation=None):
    """Return a finding with an outcome, as a run records it."""
    line = of or case()
    silent = None if kind is None else kind != "rejected-valid"
    result = ResultLine(
        line.case, line.clauses, line.level, "b", outcome, kind, "", 0.0, silent=silent,
        deviation=deviation,
    )  # fmt: skip
    return Finding(line, "b", mark_of(result), result)


PASSED = finding("passed")
WRONG = finding("failed", "wrong-value")
REFUSED = finding("failed", "rejected-valid")
DIED = finding("crashed")
LACKING = finding("unsupported")


@pytest.mark.parametrize(
    ("findings", "without", "support", "how"),
    [
        ([PASSED], 0, Support.YES, None),
        ([PASSED], 1, Support.UNKNOWN, None),
        ([], 1, Support.UNKNOWN, None),
        ([PASSED, finding("not-run")], 0, Support.UNKNOWN, None),
        ([PASSED, finding("errored")], 0, Support.UNKNOWN, None),
        ([PASSED, finding("stale")], 0, Support.UNKNOWN, None),
        ([LACKING], 0, Support.ABSENT, None),
        ([finding("refused-earlier")], 0, Support.ABSENT, None),
        ([PASSED, LACKING], 0, Support.PARTLY, None),
        ([PASSED, *[LACKING] * 9], 0, Support.ABSENT, None),
        ([WRONG], 0, Support.NO, How.SILENTLY),
        ([WRONG, LACKING], 0, Support.NO, How.SILENTLY),
        ([PASSED, REFUSED], 0, Support.PARTLY, How.LOUDLY),
        ([PASSED, REFUSED], 5, Support.PARTLY, How.LOUDLY),
        ([PASSED, REFUSED, DIED], 0, Support.PARTLY, How.DYING),
        ([PASSED, REFUSED, DIED, WRONG], 0, Support.PARTLY, How.SILENTLY),
    ],
)
def test_a_feature_is_decided_by_all_of_its_cases(findings, without, support, how):
    """`yes` needs every result; of several ways to fail, the worst counts."""
    decided = decision(findings, without)
    assert (decided.support, decided.how) == (support, how)


def test_what_departs_by_chance_fails_also_if_it_did_not():
    """A known deviation that happens sometimes is no `yes` on a good day."""
    entry = KnownDeviation("bug", "crashed", "It dies at times.", sometimes=True)
    decided = decision([PASSED, finding("deviated", deviation=entry)])
    assert (decided.support, decided.how) == (Support.PARTLY, How.DYING)
    assert decided.reason == "It dies at times."


@pytest.mark.parametrize(
    ("some", "others", "said"),
    [
        (
            [case(inputs={"weight": {"dtype": "float16", "shape": [4, 3]}})],
            [case()],
            "with float16 tables",
        ),
        ([case(max_norm=1.0)], [case(), case(padding_idx=0)], "with max_norm"),
        (
            [case(inputs={"weight": {"dtype": "float32", "shape": [70_000, 3]}})],
            [case(inputs={"weight": {"dtype": "float32", "shape": [300, 3]}})],
            "with more than 300 rows",
        ),
        (
            [case(max_norm=1.0, padding_idx=0), case(max_norm=1.0, padding_idx=0, sparse=True)],
            [case(max_norm=1.0), case(padding_idx=0)],
            "with padding_idx and max_norm",
        ),
        ([case()], [case()], "in 1 of 2 cases"),
    ],
)
def test_a_condition_holds_for_all_that_fail_and_for_none_that_pass(some, others, said):
    """What both have in common is no condition; where none is found, the share is told."""
    found = phrase(some, others)
    assert set(found.split()) == set(said.split())


def test_every_scored_clause_has_one_feature():
    """The shipped file says so, or it does not load."""
    features = shipped_features()
    assert 60 <= len(features) <= 90
    owners = [clause for feature in features.values() for clause in feature.clauses]
    assert len(owners) == len(set(owners))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("clauses: [EMB-LOOK-03]", "clauses: [EMB-LOOK-01]"), "belongs to 'lookup' already"),
        (("clauses: [EMB-LOOK-03]", "clauses: [EMB-LOOK-99]"), "is no scored clause"),
        (("clauses: [EMB-LOOK-03]", "clauses: [ATLAS-01]"), "is no scored clause"),
        (("EMB-LOOK-13, ", ""), "'EMB-LOOK-13' belongs to no feature"),
        (("name: lookup.scalar", "name: lookup"), "is taken or retired"),
        (("features:\n", "retired: [lookup]\nfeatures:\n"), "is taken or retired"),
        (("name: lookup.scalar", "name: Lookup Scalar"), "Lookup Scalar"),
    ],
)
def test_a_mistake_in_the_features_is_told_with_its_line(tmp_path, change, said):
    """A clause in two features or in none, a name twice."""
    text = files("embcheck.specs").joinpath("features.yaml").read_text("utf-8")
    assert change[0] in text
    file = tmp_path / "features.yaml"
    file.write_text(text.replace(*change, 1), "utf-8")
    with pytest.raises(SpecError) as caught:
        load_features(file, shipped_clauses())
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file}:")


def test_the_shipped_data_is_of_the_shipped_features():
    """What a changed clause decides is stale until the matrix is run again; see CONTRIBUTING."""
    data = compat.shipped()
    assert stale(data) == []
    text = files("embcheck.reports").joinpath(compat.FILE_NAME).read_text("utf-8")
    assert len(text.encode()) < 1_000_000
    assert compat.to_text(data) == text
    schema = json.loads(files("embcheck.reports").joinpath("compat.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(text))


def test_stale_data_is_named():
    """A feature whose clauses changed since the data was made."""
    data = compat.shipped()
    digests = {**data.digests, "lookup": "0"}
    assert stale(replace(data, digests=digests)) == ["lookup"]


def test_a_program_asks_by_name():
    """The value is typed; an unknown name is an error that lists what there is."""
    found = compat.supports("torch-eager", "lookup")
    assert (found.support, found.how) == ("yes", None)
    bounds = compat.supports("jax-take", "lookup.negative")
    assert (bounds.support, bounds.how) == ("no", "silently")
    for names in (("jax-take", "lookup.nothing"), ("no-such", "lookup")):
        with pytest.raises(compat.CompatError):
            compat.supports(*names)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "partly"),
        (["jax-take"], "lookup.negative"),
        (["lookup.negative"], "jax-take"),
        (["jax-take", "lookup.negative"], "embcheck reproduce -b jax-take"),
        (["lookup.negative", "jax-take"], "embcheck reproduce -b jax-take"),
    ],
)
def test_the_command_answers_within_80_columns(words, said):
    """For everything, one backend, one feature, or both in any order."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["compat", *words])
    assert result.exit_code == 0
    assert said in result.output
    wide = [line for line in result.output.splitlines() if len(line) > 80]
    assert all(line.strip().startswith(("http", "embcheck reproduce")) for line in wide)


@pytest.mark.parametrize("words", [["lookup.negativ"], ["jax-take", "jax-take"], ["--out", "x"]])
def test_an_unknown_name_is_a_usage_error(words):
    """With what is known instead."""
    result = CliRunner().invoke(main, ["compat", *words])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', "[" * 100_000, '{"format": 1, "reasons": 3}']
)
def test_a_broken_file_is_an_error_and_no_traceback(text):
    """Data is made by one program and read by another."""
    with pytest.raises(compat.CompatError):
        compat.parse(text, "file")
    assert not Path("file").exists()

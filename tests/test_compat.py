"""The support of features, how cases decide it, and the data that ships."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from embcheck.cli.main import main
from embcheck.conformance.records.lines import CaseLine, KnownDeviation, ResultLine, RunHeader
from embcheck.conformance.records.run import Run
from embcheck.conformance.suite.features import Feature, load_features, shipped_features
from embcheck.conformance.suite.load import load_spec, shipped_clauses, suite_root
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports import compat
from embcheck.reports.answers.compat_made import stale
from embcheck.reports.answers.conditions import phrase
from embcheck.reports.answers.support import How, Support, decide, decision
from embcheck.reports.compat_text import to_text
from embcheck.reports.marks import mark_of
from embcheck.reports.merge import MergedResult, merge
from embcheck.reports.migration.differences import migration


def case(name="embedding/lookup/a", *, level="documented", operation="embedding", **more):
    """Return a case with a small call; `more` are its options, or `inputs`."""
    inputs = {
        "weight": {"dtype": "float32", "shape": [4, 3]},
        "indices": {"dtype": "int64", "shape": [2]},
        **more.pop("inputs", {}),
    }
    call = {"operation": operation, "inputs": inputs, "options": more, "observe": ["output"]}
    return CaseLine(name, "A title.", "A sentence.", ("EMB-LOOK-01",), level, "", call, {})


def finding(outcome, kind=None, *, of=None, deviation=None):
    """Return a result of a case with some outcome, as a merged run has it."""
    line = of or case()
    silent = None if kind is None else kind != "rejected-valid"
    result = ResultLine(
        line.case, line.clauses, line.level, "b", outcome, kind, "", 0.0, silent=silent,
        deviation=deviation,
    )  # fmt: skip
    return MergedResult(line, "b", mark_of(result), result)


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
    """A feature is `yes` only if all results pass; of several ways to fail, the worst counts."""
    decided = decision(findings, without)
    assert (decided.support, decided.how) == (support, how)


def test_what_departs_by_chance_fails_also_if_it_did_not():
    """A deviation that happens only sometimes counts as a failure even where it did not happen."""
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
    """A condition names what only failing cases have in common; without one, the share is given."""
    found = phrase(some, others)
    assert set(found.split()) == set(said.split())


def test_every_scored_clause_has_one_feature():
    """The shipped features load, and no clause belongs to two of them."""
    features = shipped_features().features
    assert 60 <= len(features) <= 101
    owners = [clause for feature in features.values() for clause in feature.clauses]
    assert len(owners) == len(set(owners))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("clauses: [EMB-LOOK-03]", "clauses: [EMB-LOOK-01]"), "belongs to 'lookup' already"),
        (("clauses: [EMB-LOOK-03]", "clauses: [EMB-LOOK-99]"), "is not a scored clause"),
        (("clauses: [EMB-LOOK-03]", "clauses: [ATLAS-01]"), "is not a scored clause"),
        (("EMB-LOOK-13, ", ""), "'EMB-LOOK-13' belongs to no feature"),
        (("name: lookup.scalar", "name: lookup"), "is taken or retired"),
        (("features:\n", "retired: [lookup]\nfeatures:\n"), "is taken or retired"),
        (("name: lookup.scalar", "name: Lookup Scalar"), "Lookup Scalar"),
        (("needs: [lookup,", "needs: [look,"), "names 'look', which is not a feature"),
    ],
)
def test_a_mistake_in_the_features_is_told_with_its_line(tmp_path, change, said):
    """A mistake in the features file is reported with the file and what is wrong."""
    text = files("embcheck.specs").joinpath("features.yaml").read_text("utf-8")
    assert change[0] in text
    file = tmp_path / "features.yaml"
    file.write_text(text.replace(*change, 1), "utf-8")
    with pytest.raises(SpecError) as caught:
        load_features(file, shipped_clauses())
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file}:")


def test_what_another_feature_lacks_is_left_to_that_feature():
    """A failing or missing option does not make plain lookups worse, but is listed as apart."""
    cases = [case(f"embedding/lookup/{number}") for number in range(4)]
    options = [case("embedding/lookup/a", max_norm=1.0), case("embedding/lookup/b", padding_idx=0)]
    merged = merged_of(
        *((line, "passed") for line in cases), (options[0], "failed"), (options[1], "unsupported")
    )
    feature = Feature("lookup", "An index gives a row.", ("EMB-LOOK-01",))
    found = decide(merged, {"lookup": feature}, [])["b"]["lookup"]
    assert (found.support, found.apart) == (Support.YES, ("max_norm",))


@pytest.mark.parametrize(
    ("of_sparse", "support", "how"),
    [
        ("unsupported", Support.ABSENT, None),
        ("failed", Support.PARTLY, How.SILENTLY),
        ("passed", Support.YES, None),
    ],
)
def test_what_a_feature_is_about_is_never_left_to_another(of_sparse, support, how):
    """A feature about an option counts failures with that option as its own.

    Adagrad on dense gradients, half of these cases, is only a control of Adagrad on sparse ones.
    """
    dense = [case(f"embedding/optimisers/{number}") for number in range(2)]
    sparse = [case(f"embedding/optimisers/{name}", sparse=True) for name in "ab"]
    merged = merged_of(
        *((line, "passed") for line in dense), *((line, of_sparse) for line in sparse)
    )
    feature = Feature("sparse.adagrad", "Adagrad takes sparse gradients.", ("EMB-LOOK-01",))
    uses = {"sparse": ("sparse.adagrad",)}
    found = decide(merged, {feature.name: feature}, [], uses)["b"][feature.name]
    assert (found.support, found.how, found.apart) == (support, how, ())


def test_a_mistake_beside_an_option_that_fails_still_counts():
    """An accepted bad index counts as a failure even beside an option that fails elsewhere."""
    lines = [case(f"embedding/bounds/{number}", level="domain") for number in range(3)]
    bad = case("embedding/bounds/a", level="domain", max_norm=1.0)
    wrong = case("embedding/max_norm/a", max_norm=1.0)
    merged = merged_of(*((line, "passed") for line in lines), (bad, "accepted"), (wrong, "failed"))
    feature = Feature("bounds", "A bad index is an error.", ("EMB-LOOK-01",))
    found = decide(merged, {"bounds": feature}, [])["b"]["bounds"]
    assert (found.support, found.how, found.apart) == (
        Support.PARTLY, How.SILENTLY, ("max_norm",)
    )  # fmt: skip


def test_a_case_of_the_suite_without_a_result_leaves_its_feature_unknown():
    """A feature is unknown while cases of it have no result, as after a quick run."""
    merged = merged_of((case(), "passed"))
    feature = Feature("lookup", "An index gives a row.", ("EMB-LOOK-01",))
    suite = load_spec(suite_root() / "embedding" / "lookup.yaml").cases
    found = decide(merged, {"lookup": feature}, suite)["b"]["lookup"]
    assert found.support is Support.UNKNOWN


def test_tables_of_each_dtype_are_decided_alone():
    """A feature's support is decided for each dtype of tables separately."""
    half = {"weight": {"dtype": "float16", "shape": [4, 3]}}
    merged = merged_of((case(), "passed"), (case("embedding/lookup/b", inputs=half), "failed"))
    feature = Feature("lookup", "An index gives a row.", ("EMB-LOOK-01",))
    found = decide(merged, {"lookup": feature}, [])["b"]["lookup"]
    assert {name: part.support for name, part in found.dtypes.items()} == {
        "float32": Support.YES, "float16": Support.NO
    }  # fmt: skip


def merged_of(*outcomes):
    """Return the merged run of a backend `b`, given pairs of a case and its outcome."""
    kinds = {"failed": ("failed", "wrong-value"), "accepted": ("failed", "accepted-invalid")}
    findings = [
        finding(*kinds.get(outcome, (outcome, None)), of=line) for line, outcome in outcomes
    ]
    header = RunHeader("conformance", "", "", "", {}, ({"id": "b"},), len(outcomes))
    run = Run(header, cases={line.case: line for line, _ in outcomes})
    run.results += [found.result for found in findings]
    return merge([run])


def data_with(**backends):
    """Return data of backends, given each backend's support of features."""
    shipped = compat.shipped()
    columns = {
        name: compat.Column(name, "lib", "1", "cpu", "2026-01-01", features)
        for name, features in backends.items()
    }
    return replace(shipped, backends=columns)


YES, SILENT = compat.Supported("yes"), compat.Supported("no", "silently", "not refused")
PART = compat.Supported("partly", "loudly", "refused", reason="It refuses.")
ABSENT, UNKNOWN = compat.Supported("absent"), compat.Supported("unknown")


@pytest.mark.parametrize(
    ("was", "now", "what"),
    [
        (YES, YES, "same"),
        (YES, PART, "lost"),
        (YES, ABSENT, "lost"),
        (PART, ABSENT, "lost"),
        (SILENT, ABSENT, "same"),
        (ABSENT, SILENT, "lost"),
        (ABSENT, YES, "gained"),
        (ABSENT, PART, "gained"),
        (PART, SILENT, "lost"),
        (SILENT, PART, "gained"),
        (PART, YES, "gained"),
        (YES, compat.Supported("partly"), "lost"),
        (YES, UNKNOWN, "unknown"),
        (UNKNOWN, SILENT, "unknown"),
    ],
)
def test_a_move_loses_gains_or_keeps_a_feature(was, now, what):
    """A move loses, gains or keeps a feature; if either side is unknown, so is the result."""
    data = data_with(old={"bag.sum": was}, new={"bag.sum": now})
    found = migration(data, "old", "new")
    lost = [name for change in found.lost for name in change.features]
    told = {"lost": lost, "gained": found.gained, "unknown": found.unknown, "same": found.same}
    assert [name for name, features in told.items() if features] == [what]


def test_what_is_lost_for_one_reason_is_told_once_and_the_worst_first():
    """Features lost for the same reason are one change; silent changes come before loud ones."""
    data = data_with(
        old=dict.fromkeys(("bag.sum", "bag.mean", "bag.max"), YES),
        new={"bag.sum": PART, "bag.mean": SILENT, "bag.max": PART},
    )
    changes = migration(data, "old", "new").lost
    assert [sorted(change.features) for change in changes] == [["bag.mean"], ["bag.max", "bag.sum"]]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["torch-eager", "jax-take"], 1, "Instead: jax.jit"),
        (["torch-eager", "torch-eager"], 0, "0 of"),
        (["torch-eager", "jax-take", "--json"], 1, '"lost"'),
        (["torch-eager", "none"], 2, "no data on 'none'"),
    ],
)
def test_a_migration_is_shown_with_an_exit_code(words, code, said):
    """`embcheck migrate` exits with 1 if something is lost, 0 if not, 2 for an unknown name."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["migrate", *words])
    assert said in result.output
    assert result.exit_code == code


def test_the_shipped_data_is_of_the_shipped_features():
    """The shipped data are not stale, fit their schema, and are written in their usual form.

    Where this fails, it names the features whose clauses changed, each with the backends that are
    to be run again; see CONTRIBUTING.md.
    """
    data = compat.shipped()
    assert stale(data) == {}
    text = files("embcheck.reports").joinpath(compat.FILE_NAME).read_text("utf-8")
    assert len(text.encode()) < 1_000_000
    assert to_text(data) == text
    schema = json.loads(files("embcheck.reports").joinpath("compat.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(text))


def test_a_program_asks_by_name():
    """`supports` returns a typed value for a backend and a feature, and refuses unknown names."""
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
        (["jax-take", "lookup.negative"], "embcheck reproduce"),
        (["lookup.negative", "jax-take"], "embcheck reproduce"),
    ],
)
def test_the_command_answers_within_80_columns(words, said):
    """`embcheck compat` fits 80 columns, for all, a backend, a feature, or both in any order."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["compat", *words])
    assert result.exit_code == 0
    assert said in result.output
    wide = [line for line in result.output.splitlines() if len(line) > 80]
    assert all(line.strip().startswith(("http", "embcheck reproduce")) for line in wide)


def test_a_yes_says_that_calls_with_what_is_lacking_do_not_count():
    """A `yes` says if calls with options that the backend lacks were not counted."""
    left = "Not counted: calls that also use something that it does not offer"
    for backend, is_said in (("jax-index", True), ("torch-eager", False)):
        output = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["compat", backend, "lookup"]).output
        assert "\nyes" in output
        assert (left in output) is is_said


@pytest.mark.parametrize("words", [["lookup.negativ"], ["jax-take", "jax-take"], ["--out", "x"]])
def test_an_unknown_name_is_a_usage_error(words):
    """An unknown or misplaced name is a usage error."""
    result = CliRunner().invoke(main, ["compat", *words])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', "[" * 100_000, '{"format": 1, "reasons": 3}']
)
def test_a_broken_file_is_an_error_and_no_traceback(text):
    """A broken data file is a CompatError."""
    with pytest.raises(compat.CompatError):
        compat.parse(text, "file")
    assert not Path("file").exists()

"""The pytest plugin runs a spec file like any test file."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from commands import SMALL, pytest_command

from embcheck.conformance.records.run import read_runs


@pytest.fixture
def spec(tmp_path):
    """Return a copy of the small spec in a folder of its own."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.read_text())
    return path


def run(spec, *arguments, backend="numpy-reference", with_others=False):
    """Run pytest on a spec and return the end of what it prints."""
    words = ("--embcheck-backend", backend, spec, *arguments)
    done = pytest_command(*words, cwd=spec.parent, with_others=with_others)
    return done.returncode, done.stdout + done.stderr


def test_a_spec_file_runs_by_itself(spec):
    """`pytest --embcheck-backend NAME file.yaml` runs its cases, beside any other plugins."""
    code, text = run(spec, with_others=True)
    assert code == 0
    assert "6 passed" in text


def test_without_a_backend_yaml_is_left_alone(spec):
    """The plugin collects nothing unless a backend is named."""
    done = pytest_command(spec.parent, cwd=spec.parent)
    assert "no tests ran" in done.stdout


def test_k_selects_by_case_clause_level_and_backend(spec):
    """-k selects by case name, clause and level."""
    assert "1 passed, 5 deselected" in run(spec, "-k", "one-hot")[1]
    assert "1 passed, 5 deselected" in run(spec, "-k", "EMB-OOB-02")[1]
    assert "1 passed, 5 deselected" in run(spec, "-k", "domain")[1]


def test_one_case_of_each_clause_can_be_enough(spec):
    """--embcheck-quick runs only the first case of a clause, among those that -k selects."""
    text = run(spec, "--embcheck-quick", "-v")[1]
    assert "5 passed, 1 deselected" in text
    assert "lookup-again" not in text
    again = run(spec, "--embcheck-quick", "-v", "-k", "again")[1]
    assert "1 passed, 5 deselected" in again
    assert "lookup-again" in again


def test_ladders_of_sizes_are_not_quick(spec):
    """--embcheck-quick leaves out the folder of sizes, and clauses that only it covers."""
    ladder = spec.parent / "sizes" / "ladder.yaml"
    ladder.parent.mkdir()
    text = SMALL.read_text().replace("clauses: [OH-01]", "clauses: [OH-02]")
    ladder.write_text(text)
    said = run(ladder, spec, "--embcheck-quick", "-v")[1]
    assert "5 passed, 7 deselected" in said
    assert "ladder.yaml::" not in said


@pytest.fixture
def widths(tmp_path):
    """Return a spec of one case, expanded to four."""
    path = tmp_path / "widths.yaml"
    path.write_text(
        "behaviour: Rows of any width are picked.\n"
        "cases:\n"
        "- id: widths\n"
        "  clauses: [EMB-LOOK-01]\n"
        "  operation: embedding\n"
        "  matrix: {dtype: [float16, float32], value: [1, 11]}\n"
        "  inputs:\n"
        "    weight: {dtype: $dtype, values: [[0], [$value]]}\n"
        "    indices: {dtype: int64, values: [1]}\n"
        "  expect: {output: [[$value]]}\n"
    )
    return path


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["{0}/widths/widths[dtype=float16,value=1]"], 1),
        (["{0}/widths/widths[dtype=float16,value=1]", "{0}/widths/widths[dtype=float32,*]"], 3),
        (["{0}/widths/widths"], 4),
        (["*value=1]"], 2),
        (["*"], 4),
    ],
)
def test_a_case_is_run_by_its_id(widths, names, count):
    """--embcheck-case takes ids as results show them; only * is special."""
    words = [f"--embcheck-case={name.format(widths.parent.name)}" for name in names]
    assert f"{count} passed" in run(widths, *words)[1]


def test_an_id_in_junit_is_one_that_selects(widths, tmp_path):
    """The id of a case in a JUnit file selects it."""
    run(widths, f"--junitxml={tmp_path / 'junit.xml'}")
    properties = ET.parse(tmp_path / "junit.xml").findall(".//property[@name='case']")
    ids = [item.get("value") for item in properties]
    assert len(ids) == 4
    assert "1 passed" in run(widths, f"--embcheck-case={ids[3]}")[1]


def test_a_case_that_is_none_is_a_mistake(widths):
    """The id of no case ends the run with similar ids."""
    code, text = run(widths, f"--embcheck-case={widths.parent.name}/widths/widths[dtype=float64]")
    assert code == 4
    assert "there is no case" in text
    assert "did you mean" in text
    assert "widths[dtype=float16,value=1]" in text


def test_a_named_case_is_run_beside_the_quick_ones(spec):
    """A named case is run in addition to the quick ones."""
    name = f"--embcheck-case={spec.parent.name}/small/lookup-again"
    text = run(spec, "--embcheck-quick", name, "-v")[1]
    assert "6 passed" in text


def test_large_cases_are_run_where_they_are_asked_for(spec):
    """A large case is run only with --embcheck-large."""
    spec.write_text(
        "behaviour: Rows far behind are picked.\n"
        "cases:\n"
        "- id: far\n"
        "  large: true\n"
        "  clauses: [EMB-LOOK-01]\n"
        "  operation: embedding\n"
        "  inputs:\n"
        "    weight: {generator: arange, shape: [3, 2], dtype: float32}\n"
        "    indices: {generator: arange, shape: [2], dtype: int64}\n"
        "  expect: {output: {shape: [2, 2], at: [{position: [1], values: [2, 3]}]}}\n"
    )
    assert "1 deselected" in run(spec)[1]
    assert "1 passed" in run(spec, "--embcheck-large")[1]


def test_what_a_failure_owes_to_earlier_calls_is_said(spec, tmp_path):
    """A failure that passes in a fresh worker stays failed, and the message says so."""
    code, text = run(spec, "--embcheck-out", tmp_path / "out", backend="zoo-memoiser")
    assert code == 1
    (record,) = read_runs(tmp_path / "out")
    failed = {line.case.split("/")[-1]: line for line in record.results if line.outcome == "failed"}
    assert failed["lookup-again"].kind == "wrong-value"
    said = "only after other calls: alone it passes ("
    assert all(line.message.startswith(said) for line in failed.values())
    assert {line.notes for line in failed.values()} == {("only-after-others",)}
    assert "only after other calls: alone it passes" in text


def test_what_fails_alone_too_is_not_blamed_on_earlier_calls(spec, tmp_path):
    """A failure that also fails in a fresh worker is not blamed on earlier calls."""
    run(spec, "--embcheck-out", tmp_path / "out", backend="zoo-wrong-row")
    (record,) = read_runs(tmp_path / "out")
    failed = [line.message for line in record.results if line.outcome == "failed"]
    assert failed
    assert not any("earlier" in said or "other calls" in said for said in failed)


def test_threads_are_asked_for_and_read_back(spec, tmp_path):
    """The record has the threads asked for, and those of each backend."""
    words = ("--embcheck-threads", "1", "--embcheck-out", tmp_path / "out")
    code, text = run(spec, *words)
    assert code == 0, text
    (record,) = read_runs(tmp_path / "out")
    assert record.header.settings["threads"] == 1
    assert [info["threads"] for info in record.header.backends] == [1]


def test_instructions_that_the_machine_lacks_are_refused(spec):
    """Instructions that the machine lacks are refused, and the message lists those it has."""
    code, text = run(spec, "--embcheck-instructions", "mmx")
    assert code == 4
    assert "this machine has no mmx; it has " in text


def test_a_departure_is_told_without_a_traceback(spec):
    """A failure is reported with kind, clause and place, without a traceback."""
    code, text = run(spec, "-x", backend="zoo-wrong-row")
    assert code == 1
    assert "silent wrong-value" in text
    assert "EMB-LOOK-01" in text
    assert "small.yaml:5" in text
    assert "Traceback" not in text
    assert "1 failed" in text


def test_lf_runs_what_failed_before(spec):
    """--lf repeats only the failures."""
    run(spec, backend="zoo-wraps-negatives")
    code, text = run(spec, "--lf", backend="zoo-wraps-negatives")
    assert code == 1
    assert "1 failed" in text
    assert "passed" not in text


def test_xdist_records_the_same_results(spec, tmp_path):
    """-n 2 gives one complete record with each result once."""
    words = ("-n", "2", "--embcheck-out", tmp_path / "out")
    code, text = run(spec, *words, with_others=True)
    assert code == 0, text
    (record,) = read_runs(tmp_path / "out")
    assert not record.partial
    assert len(record.results) == len(record.cases) == 6
    assert {result.outcome for result in record.results} == {"passed", "observed"}


def test_xdist_carries_wide_and_special_numbers(spec, tmp_path):
    """With xdist, wide integers, NaN and seeded arrays are recorded as without."""
    spec.write_text((SMALL.parent / "wide.yaml").read_text())
    for arguments in ((), ("-n", "2")):
        code, text = run(spec, *arguments, "--embcheck-out", tmp_path / "out")
        assert code == 0, text
        (record,) = read_runs(tmp_path / "out")
        assert not record.partial
        wide = next(line for case, line in record.cases.items() if case.endswith("far-index"))
        assert wide.call["inputs"]["indices"]["values"] == [0, 1099511627778]


def test_equal_ids_are_refused(spec):
    """Two files whose cases have equal ids are refused."""
    twin = spec.parent / "other" / spec.parent.name / spec.name
    twin.parent.mkdir(parents=True)
    twin.write_text(spec.read_text())
    code, text = run(spec, twin)
    assert code == 4
    assert "rename one of the files or folders" in text


def test_junit_has_outcome_and_kind(spec, tmp_path):
    """JUnit files have each result's outcome and kind as properties."""
    run(spec, f"--junitxml={tmp_path / 'junit.xml'}", backend="zoo-wraps-negatives")
    found = ET.parse(tmp_path / "junit.xml").findall(".//property")
    pairs = {(item.get("name"), item.get("value")) for item in found}
    assert {("outcome", "failed"), ("kind", "accepted-invalid"), ("outcome", "passed")} <= pairs


def test_a_bad_spec_is_an_error_with_its_place(spec):
    """An invalid spec is a collection error with its place and a remedy."""
    spec.write_text(spec.read_text().replace("operation: one_hot", "operation: two_hot"))
    code, text = run(spec)
    assert code == 2
    assert "small.yaml:" in text
    assert "'two_hot' is not known; use one of: embedding" in text
    assert "Traceback" not in text

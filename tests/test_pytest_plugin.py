"""The plugin by itself: a spec file is a test file like any other."""

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


def run(spec, *arguments, backend="numpy-reference"):
    """Run pytest on a spec and return the end of what it prints."""
    done = pytest_command("--embcheck-backend", backend, spec, *arguments, cwd=spec.parent)
    return done.returncode, done.stdout + done.stderr


def test_a_spec_file_runs_by_itself(spec):
    """`pytest --embcheck-backend NAME file.yaml` runs its cases."""
    code, text = run(spec)
    assert code == 0
    assert "6 passed" in text


def test_without_a_backend_yaml_is_left_alone(spec):
    """The plugin collects nothing unless a backend is named."""
    done = pytest_command(spec.parent, cwd=spec.parent)
    assert "no tests ran" in done.stdout


def test_k_selects_by_case_clause_level_and_backend(spec):
    """-k matches names, clauses, levels and operations."""
    assert "1 passed, 5 deselected" in run(spec, "-k", "one-hot")[1]
    assert "1 passed, 5 deselected" in run(spec, "-k", "EMB-OOB-02")[1]
    assert "1 passed, 5 deselected" in run(spec, "-k", "domain")[1]


def test_one_case_of_each_clause_can_be_enough(spec):
    """--embcheck-one-per-clause runs the first case of a clause only, of those that -k selects."""
    text = run(spec, "--embcheck-one-per-clause", "-v")[1]
    assert "5 passed, 1 deselected" in text
    assert "lookup-again" not in text
    again = run(spec, "--embcheck-one-per-clause", "-v", "-k", "again")[1]
    assert "1 passed, 5 deselected" in again
    assert "lookup-again" in again


def test_a_departure_is_told_without_a_traceback(spec):
    """A failure names case, backend, kind, clause and place."""
    code, text = run(spec, "-x", backend="zoo-wrong-row")
    assert code == 1
    assert "silent wrong-value" in text
    assert "EMB-LOOK-01" in text
    assert "small.yaml:5" in text
    assert "Traceback" not in text
    assert "1 failed" in text


def test_lf_runs_what_failed_before(spec):
    """--lf repeats just the failures."""
    run(spec, backend="zoo-wraps-negatives")
    code, text = run(spec, "--lf", backend="zoo-wraps-negatives")
    assert code == 1
    assert "1 failed" in text
    assert "passed" not in text


def test_xdist_records_the_same_results(spec, tmp_path):
    """-n 2 gives one complete record, with each case and each result once."""
    code, text = run(spec, "-n", "2", "--embcheck-out", tmp_path / "out")
    assert code == 0, text
    (record,) = read_runs(tmp_path / "out")
    assert not record.partial
    assert len(record.results) == len(record.cases) == 6
    assert {result.outcome for result in record.results} == {"passed", "observed"}


def test_xdist_carries_wide_and_special_numbers(spec, tmp_path):
    """Integers beyond 32 bits, NaN and seeded arrays survive the way between processes."""
    spec.write_text((SMALL.parent / "wide.yaml").read_text())
    for arguments in ((), ("-n", "2")):
        code, text = run(spec, *arguments, "--embcheck-out", tmp_path / "out")
        assert code == 0, text
        (record,) = read_runs(tmp_path / "out")
        assert not record.partial
        wide = next(line for case, line in record.cases.items() if case.endswith("far-index"))
        assert wide.call["inputs"]["indices"]["values"] == [0, 1099511627778]


def test_equal_ids_are_refused(spec):
    """Two files of one name in folders of one name would overwrite each other's results."""
    twin = spec.parent / "other" / spec.parent.name / spec.name
    twin.parent.mkdir(parents=True)
    twin.write_text(spec.read_text())
    code, text = run(spec, twin)
    assert code == 4
    assert "rename one of the files or folders" in text


def test_junit_has_outcome_and_kind(spec, tmp_path):
    """--junitxml carries outcome and kind of each result as properties."""
    run(spec, f"--junitxml={tmp_path / 'junit.xml'}", backend="zoo-wraps-negatives")
    found = ET.parse(tmp_path / "junit.xml").findall(".//property")
    pairs = {(item.get("name"), item.get("value")) for item in found}
    assert {("outcome", "failed"), ("kind", "accepted-invalid"), ("outcome", "passed")} <= pairs


def test_a_bad_spec_is_an_error_with_its_place(spec):
    """A spec that does not load is a collection error that says where and what to do."""
    spec.write_text(spec.read_text().replace("operation: one_hot", "operation: two_hot"))
    code, text = run(spec)
    assert code == 2
    assert "small.yaml:" in text
    assert "'two_hot' is not known; use one of: embedding" in text
    assert "Traceback" not in text

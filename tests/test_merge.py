"""`embcheck merge` joins comparable runs, and says why others cannot be joined."""

from __future__ import annotations

import pytest
from commands import embcheck
from report_runs import case, info, result, run, write_run

from embcheck.conformance.records.join import NotComparable, join
from embcheck.conformance.records.run import read_runs

EARLY, LATE = "2026-11-21T09:00:00+00:00", "2026-11-21T11:00:00+00:00"


def folder(tmp_path, name, backends, **more):
    """Write a run with one result for each backend, and return its folder."""
    names = [entry if isinstance(entry, str) else entry["id"] for entry in backends]
    lines = [case(), *map(result, names)]
    return write_run(tmp_path / name, run(lines, backends, **more))


def test_runs_of_two_environments_become_one(tmp_path):
    """Runs are joined unchanged, the oldest first."""
    late = folder(tmp_path, "late", ["a"], started=LATE)
    early = folder(tmp_path, "early", ["b"], started=EARLY)
    join([late, early], tmp_path / "out")
    first, second = read_runs(tmp_path / "out")
    assert (first, second) == (read_runs(early)[0], read_runs(late)[0])


def test_another_suite_is_refused(tmp_path):
    """Runs of different suites are refused, since equal ids may be different cases."""
    one = folder(tmp_path, "one", ["a"])
    two = folder(tmp_path, "two", ["b"], suite="fedcba9876543210")
    with pytest.raises(NotComparable, match=r"two \(fedcba.* is of another suite of cases"):
        join([one, two], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_embcheck_is_refused(tmp_path):
    """Runs by different versions of embcheck are refused, since they may judge differently."""
    one = folder(tmp_path, "one", ["a"])
    two = folder(tmp_path, "two", ["b"], embcheck="0.2.0")
    with pytest.raises(NotComparable, match="another embcheck"):
        join([one, two], tmp_path / "out")


@pytest.mark.parametrize("change", [{"version": "1.3"}, {"device": "cuda"}, {"adapter": "b"}])
def test_one_label_on_two_libraries_is_refused(tmp_path, change):
    """One label for two versions, devices or adapters is refused, with a hint to use another."""
    one = folder(tmp_path, "one", ["a"])
    two = folder(tmp_path, "two", [info("a", **change)])
    with pytest.raises(NotComparable, match=r"a is somelib 1\.2 on cpu in .*-b OTHER=a:PYTHON"):
        join([one, two], tmp_path / "out")


def test_an_absent_library_is_no_other_version(tmp_path):
    """An unavailable backend does not conflict with an available one of that label."""
    one = folder(tmp_path, "one", ["a"])
    two = folder(tmp_path, "two", [{"id": "a", "unavailable": "no such device"}])
    assert len(join([one, two], tmp_path / "out")) == 2


def test_timings_of_two_machines_are_refused(tmp_path):
    """Timings of different machines are refused; conformance runs are joined."""
    other = {"python": "3.11.9", "cpu": "Another CPU", "cores": 2}
    for purpose in ("conformance", "timing"):
        one = folder(tmp_path, f"{purpose}-one", ["a"], purpose=purpose)
        two = folder(tmp_path, f"{purpose}-two", ["b"], purpose=purpose, environment=other)
        if purpose == "conformance":
            assert len(join([one, two], tmp_path / "out")) == 2
            continue
        with pytest.raises(NotComparable, match="different machines"):
            join([one, two], tmp_path / "out")


def test_the_command_says_what_it_wrote(tmp_path):
    """The command prints how many runs it joined, how many are partial, and the file."""
    one = folder(tmp_path, "one", ["a"])
    two = folder(tmp_path, "two", ["b"], ended=False)
    ended = embcheck("merge", one, two, "--out", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "2 runs, 1 of them partial",
        str(tmp_path / "out/results.jsonl"),
    ]


def test_the_command_refuses_in_a_sentence(tmp_path):
    """A missing record is reported in a sentence with exit code 2."""
    ended = embcheck("merge", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert ended.stderr.startswith("embcheck merge: ")
    assert "Traceback" not in ended.stderr

"""`embcheck triage` groups what nothing explains, and its entries load only once filled in."""

from __future__ import annotations

import pytest
from commands import embcheck
from report_runs import HOSTILE, case, every_outcome, result, run, write_run

from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import read_yaml
from embcheck.reports.merge import merge
from embcheck.reports.triage import candidates, write_candidates


def departing(messages, name="embedding/bounds/too-large"):
    """Make a run in which a backend accepts invalid calls, with these messages."""
    cases = [case(f"{name}[index={number}]", "domain") for number in range(len(messages))]
    results = [
        result("acme", "failed", of, kind="accepted-invalid", message=message)
        for of, message in zip(cases, messages, strict=True)
    ]
    return run([*cases, *results], ["acme"])


def test_only_unexplained_departures_are_candidates():
    """Silent, loud, crashed and timed out; neither deviated nor unsupported nor errored."""
    kinds = sorted(candidate.happens for candidate in candidates(merge([every_outcome()])))
    assert kinds == ["accepted-invalid", "crashed", "rejected-valid", "timed-out", "wrong-value"]


def test_messages_that_differ_in_numbers_are_one_group():
    """They have one cause; another sentence is another group."""
    made = departing(["gave [1.5, 2] for -1", "gave [nan, 3] for 7", "gave nothing"])
    assert [len(candidate.cases) for candidate in candidates(merge([made]))] == [2, 1]


def test_a_candidate_loads_only_with_cause_and_reason(tmp_path):
    """The blank ones are refused by name, the filled ones are valid."""
    (path,) = write_candidates(merge([departing(["gave 1"])]), tmp_path)
    told = [problem.what for problem in problems_of(read_yaml(path), "x", "deviations")]
    assert any("cause" in what for what in told)
    assert any("reason" in what for what in told)
    text = path.read_text().replace("  cause:\n", "  cause: undocumented\n")
    path.write_text(text.replace('reason: ""', "reason: it rounds"))
    assert not problems_of(read_yaml(path), "x", "deviations")


def test_hostile_messages_stay_comments(tmp_path):
    """Nothing that a backend says becomes YAML."""
    (path,) = write_candidates(merge([departing([f"{HOSTILE}\n- cases: ['*']"])]), tmp_path)
    assert len(read_yaml(path)["deviations"]) == 1


@pytest.mark.parametrize(("messages", "first"), [(["gave 1"], "1 unex"), ([], "0 unex")])
def test_the_command_says_what_it_wrote(tmp_path, messages, first):
    """The folder `triage` beside the run, unless another is named."""
    folder = write_run(tmp_path / "run", departing(messages))
    ended = embcheck("triage", folder)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].startswith(first)
    assert lines[1:] == ([str(folder / "triage/acme.yaml")] if messages else [])

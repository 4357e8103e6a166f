"""`embcheck triage` groups unexplained departures; its entries load only once completed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from commands import embcheck
from report_runs import HOSTILE, case, every_outcome, result, run, write_run

from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import read_yaml
from embcheck.reports.merge import merge
from embcheck.reports.triage import candidates, told, write_candidates


def departing(messages, kind="rejected-valid", clauses=("EMB-OOB-01",)):
    """Make a run in which a backend departs with these messages, each in its own spec."""
    cases = [
        replace(case(f"embedding/spec{number}/same", "domain"), clauses=clauses)
        for number in range(len(messages))
    ]
    results = [
        result("acme", "failed", of, kind=kind, message=message)
        for of, message in zip(cases, messages, strict=True)
    ]
    return run([*cases, *results], ["acme"])


def test_only_unexplained_departures_are_candidates():
    """Only unexplained failures, crashes and timeouts are candidates."""
    kinds = sorted(candidate.happens for candidate in candidates(merge([every_outcome()])))
    assert kinds == ["accepted-invalid", "crashed", "rejected-valid", "timed-out", "wrong-value"]


def test_messages_that_differ_in_numbers_are_one_group():
    """Messages that differ only in numbers are one group."""
    made = departing(["gave [1.5, 2] for -1", "gave [nan, 3] for 7", "gave nothing"])
    assert [len(candidate.cases) for candidate in candidates(merge([made]))] == [2, 1]


@pytest.mark.parametrize(
    "messages",
    [
        ("grad.dtype = float32, not float64", "grad.dtype = float32, not bfloat16"),
        ("TypeError: no", "at rows = 3, columns = 7: TypeError: no"),
        ("TypeError: no", "in step 2: TypeError: no; 1 of 3 steps were not asked"),
        ("TypeError: no", "at rows = 3: TypeError: no (also at rows = 4; at rows = 5 and 2 more)"),
        ("shapes (2, 0) and (2, 4)", "shapes (3,) and (2, 4, 7)"),
    ],
)
def test_one_cause_is_one_group_over_all_specs(messages):
    """Messages that differ only in step, dtype or shape are one group, shown by the plainest."""
    (found,) = candidates(merge([departing(messages[::-1])]))
    assert len(found.cases) == 2
    assert found.message == messages[0]


def test_answers_are_grouped_by_clause_and_groups_by_size():
    """Accepted invalid calls are grouped by clause and not by message; large groups come first."""
    said = ["gave [1]", "gave rows", "gave nothing at all"]
    wrong = departing(said, "accepted-invalid")
    assert [len(found.cases) for found in candidates(merge([wrong]))] == [3]
    assert [len(found.cases) for found in candidates(merge([departing(said)]))] == [1, 1, 1]
    sizes = ["one", "two 1", "two 2", "three", "three", "three"]
    assert [len(found.cases) for found in candidates(merge([departing(sizes)]))] == [3, 2, 1]


def test_a_candidate_loads_only_with_cause_and_reason(tmp_path):
    """A candidate is valid only once cause and reason are filled in."""
    (path,) = write_candidates(merge([departing(["gave 1"])]), tmp_path)
    told = [problem.what for problem in problems_of(read_yaml(path), "x", "deviations")]
    assert any("cause" in what for what in told)
    assert any("reason" in what for what in told)
    text = path.read_text().replace("  cause:\n", "  cause: undocumented\n")
    path.write_text(text.replace('reason: ""', "reason: it rounds"))
    assert not problems_of(read_yaml(path), "x", "deviations")


def test_hostile_messages_stay_comments(tmp_path):
    """A hostile message stays a comment and does not become YAML."""
    (path,) = write_candidates(merge([departing([f"{HOSTILE}\n- cases: ['*']"])]), tmp_path)
    assert len(read_yaml(path)["deviations"]) == 1


@pytest.mark.parametrize(("messages", "first"), [(["gave 1"], "1 unex"), ([], "0 unex")])
def test_the_command_says_what_it_wrote(tmp_path, messages, first):
    """The command writes to `triage` beside the run, and prints groups and files."""
    folder = write_run(tmp_path / "run", departing(messages))
    ended = embcheck("triage", folder)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].startswith(first)
    file = str(folder / "triage/acme.yaml")
    group = [
        "acme:",
        "    1 x rejected-valid: gave 1",
        "        embedding/spec0/same",
    ]
    assert lines[1:] == ([*group, file] if messages else [])


def test_what_is_told_fits_a_terminal_and_does_not_flood_it(tmp_path):
    """At most forty groups are printed, in 80 columns; the file has all."""
    words = [
        f"{chr(97 + number // 26)}{chr(97 + number % 26)} {'long ' * 40}" for number in range(50)
    ]
    merged = merge([departing(words)])
    lines = list(told(merged, candidates(merged)))
    assert len(lines) == 1 + 2 * 40 + 1
    assert "10 more groups" in lines[-1]
    assert max(map(len, lines)) <= 80
    (path,) = write_candidates(merged, tmp_path)
    assert len(read_yaml(path)["deviations"]) == 50

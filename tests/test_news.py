"""What is new and worse than the accepted record, and how it is reported."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from report_runs import HOSTILE, KNOWN, case, every_outcome, result, run, write_run

from embcheck.cli.main import main
from embcheck.conformance.records.run import Run, read_runs
from embcheck.reports.accepted import NotAcceptable, accepted_text
from embcheck.reports.diff import Side, compare
from embcheck.reports.github import Places, summary, workflow_commands
from embcheck.reports.merge import merge
from embcheck.reports.news import groups, news

CASE = case(fingerprint="f00d")
EXPLAINED = {"kind": "wrong-dtype", "deviation": KNOWN}
PLACES = Places("accepted.jsonl", "out")


def one(outcome: str = "passed", backend: str = "acme", of=CASE, **more) -> Run:
    """Make a run of one result."""
    return run([of, result(backend, outcome, of, **more)], [backend])


def whole() -> Run:
    """Make a run with every outcome, of cases with fingerprints."""
    made = every_outcome()
    made.cases = {name: replace(of, fingerprint=name) for name, of in made.cases.items()}
    made.results[-1] = replace(made.results[-1], reading="wraps")
    return made


def kept(made: Run, folder: Path) -> Path:
    """Accept a run; return the file of the accepted record."""
    path = folder / "accepted.jsonl"
    path.write_text("".join(accepted_text([made])))
    return path


def found(before: Run, after: Run):
    """Return the difference of two runs, and what is new in it."""
    sides = Side.of(merge([before])), Side.of(merge([after]))
    difference = compare(*sides)
    return difference, news(*sides, difference)


WRONG = one("failed", kind="wrong-value")


@pytest.mark.parametrize(
    ("before", "after", "is_new"),
    [
        (one("passed"), WRONG, True),
        (one("passed"), one("deviated", **EXPLAINED), True),
        (one("passed"), one("unsupported"), True),
        (one("passed"), one("not-run"), True),
        (one("refused-earlier"), one("errored"), True),
        (one("observed"), one("crashed"), True),
        (one("unsupported"), WRONG, True),
        (one("deviated", **EXPLAINED), one("failed", kind="wrong-dtype"), True),
        (one("failed", kind="rejected-valid"), WRONG, True),
        (WRONG, one("crashed"), True),
        (WRONG, WRONG, False),
        (WRONG, one("deviated", **EXPLAINED), False),
        (WRONG, one("unsupported"), False),
        (WRONG, one("passed"), False),
        (one("unsupported"), one("deviated", **EXPLAINED), False),
        (one("deviated", **EXPLAINED), one("stale"), False),
        (one("passed"), one("refused-earlier"), False),
        (one("passed", message="a"), one("passed", message="b"), False),
    ],
)
def test_worse_is_what_departs_anew_or_is_no_longer_right(before, after, is_new):
    """A result is worse if it newly departs or is no longer right."""
    _, new = found(before, after)
    assert (bool(new), len(new.worse)) == (is_new, int(is_new))


def test_what_was_never_accepted_is_new_if_it_is_unexplained():
    """For new backends and cases, only unexplained departures are worse; others are counted."""
    other = case("embedding/bounds/b", fingerprint="b")
    lines = [CASE, other, result("acme", of=CASE), result("acme", "deviated", other, **EXPLAINED)]
    lines += [result("zeta", "crashed", of=CASE), result("zeta", of=other)]
    after = run(lines, ["acme", "zeta"])
    _, new = found(one(), after)
    assert [(change.pair.after, change.after.outcome) for change in new.worse] == [
        ("zeta", "crashed")
    ]
    assert (new.new_backends, new.new_cases, new.better) == (("zeta",), 1, 0)
    assert groups(new)[0].before == "not in the accepted record"


def test_what_was_accepted_must_be_run_again():
    """A missing backend or a partial run is new; missing and improved cases are counted."""
    _, new = found(run([CASE, result("b", of=CASE)], ["b"]), one())
    assert new.lost_backends == ("b",)
    kinds = [line.split(" ")[0] for line in workflow_commands(new, PLACES, {})]
    assert kinds == ["::error", "::notice"]  # `acme` is new, and passes.
    other = case("embedding/bounds/b", fingerprint="b")
    before = run([CASE, other, result("acme", "crashed", CASE), result("acme", of=other)], ["acme"])
    _, new = found(before, one())
    assert (bool(new), new.lost_cases, new.better) == (False, 1, 1)
    partial = run([CASE, result("acme", of=CASE)], ["acme"], ended=False)
    assert found(one(), partial)[1]


def test_an_accepted_record_differs_in_nothing_from_its_run(tmp_path):
    """An accepted record equals its run for `diff`, although it has no arrays."""
    made = whole()
    path = kept(made, tmp_path)
    (again,) = read_runs(path)
    assert not again.partial
    difference, new = found(again, made)
    assert (bool(difference), difference.compared, bool(new)) == (False, len(made.results), False)
    assert list(workflow_commands(new, PLACES, {})) == []
    assert "To accept" not in summary(difference, new, PLACES)
    text = path.read_text()
    assert "shape" not in text
    assert "Title" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["case"] for line in lines if line["type"] == "case"] == sorted(made.cases)


def test_a_case_that_is_judged_otherwise_was_never_accepted(tmp_path):
    """A case with another fingerprint counts as never accepted."""
    (accepted,) = read_runs(kept(WRONG, tmp_path))
    changed = replace(CASE, fingerprint="beef")
    for outcome, is_new in (("passed", False), ("failed", True)):
        kind = "wrong-value" if is_new else None
        lines = [changed, result("acme", outcome, changed, kind=kind)]
        difference, new = found(accepted, run(lines, ["acme"], suite="another"))
        assert difference.rejudged == (f"case {CASE.case}",)
        assert (bool(new), new.new_cases, new.better) == (is_new, 1, 0)


def test_what_cannot_be_compared_with_is_not_accepted(tmp_path):
    """Partial runs, runs of an older embcheck, and timings cannot be accepted."""
    partial = run([CASE, result("acme", of=CASE)], ["acme"], ended=False)
    for made, why in (
        (partial, "partial"),
        (run([case(), result("acme")], ["acme"]), "older embcheck"),
        (run([], [], purpose="timing"), "no run of the suite"),
    ):
        with pytest.raises(NotAcceptable, match=why):
            list(accepted_text([made]))
    write_run(tmp_path, partial)
    done = CliRunner().invoke(main, ["accept", str(tmp_path), "--as", str(tmp_path / "kept")])
    assert done.exit_code == 2
    assert "run again, to its end" in done.output
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(("fail_on", "code"), [("changes", 1), ("new", 0), ("never", 0)])
def test_a_change_fails_only_where_it_is_asked_to(tmp_path, fail_on, code):
    """A changed message fails `diff` with --fail-on changes only."""
    accepted = kept(one(message="a"), tmp_path)
    write_run(tmp_path / "out", one(message="b"))
    words = [str(accepted), str(tmp_path / "out"), "--fail-on", fail_on]
    assert CliRunner().invoke(main, ["diff", *words]).exit_code == code


def test_a_summary_is_added_to_what_is_there(tmp_path):
    """The summary is appended to the file; an unwritable file is reported."""
    accepted = kept(one(), tmp_path)
    write_run(tmp_path / "out", WRONG)
    words = ["diff", str(accepted), str(tmp_path / "out"), "--fail-on", "new", "--markdown"]
    (tmp_path / "summary.md").write_text("before\n")
    assert CliRunner().invoke(main, [*words, str(tmp_path / "summary.md")]).exit_code == 1
    assert (tmp_path / "summary.md").read_text().startswith("before\n### embcheck: New, and not")
    done = CliRunner().invoke(main, [*words, str(tmp_path / "out/results.jsonl/x")])
    assert (done.exit_code, "cannot write" in done.output) == (2, True)


def test_what_a_backend_says_has_no_meaning_to_github():
    """A backend's message is escaped in Markdown and in workflow commands."""
    said = f"{HOSTILE}\n::add-mask::x\n`](http://x) @you <b> 100%\r\n::error::y ``"
    difference, new = found(one(), one("failed", kind="wrong-value", message=said))
    told = summary(difference, new, PLACES)
    (line,) = (line for line in told.splitlines() if "add-mask" in line)
    assert line.startswith(f"- `{CASE.case}`, saying ```")
    assert line.endswith("```")
    assert "\u202e" not in told
    page = MarkdownIt("commonmark").enable("table").render(told)
    assert set(re.findall(r"<(\w+)", page)) == {"h3", "p", "ul", "li", "code", "pre", "strong"}
    (command,) = workflow_commands(new, PLACES, {"acme": "a,b:c%.py"})
    assert command.startswith("::error file=a%2Cb%3Ac%25.py,title=embcheck::acme, embedding/lookup")
    assert command.splitlines() == [command]
    assert "100%25" in command


def test_a_job_with_a_great_many_is_told_in_a_few_lines():
    """Many new departures are reported in ten errors and a short summary.

    GitHub shows ten errors of a step, and a summary of at most a mebibyte.
    """
    many = [case(f"folder/spec-{n % 40}/case-{n}", fingerprint=str(n)) for n in range(2000)]
    runs = [
        run([*many, *(result("acme", outcome, of, message="x" * 500) for of in many)], ["acme"])
        for outcome in ("passed", "crashed")
    ]
    difference, new = found(*runs)
    assert len(new.worse) == 2000
    commands = list(workflow_commands(new, PLACES, {}))
    assert len(commands) == 11
    assert "1,500 results" in commands[-1]
    told = summary(difference, new, PLACES)
    assert len(told) < 50_000
    assert "and 1,000 results of other specs" in told

"""Evidence files beside a run: how they are read, chosen and refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from report_evidence import (
    coverage_data,
    evidence,
    mutant,
    mutation_data,
    sentence,
    write_evidence,
)
from report_runs import HOSTILE, every_outcome, write_run

from embcheck.cli.report import report
from embcheck.reports.evidence import SIZE_LIMIT, Document, Evidence, EvidenceError, read_evidence
from embcheck.reports.page.coverage import coverage
from embcheck.reports.page.html import render_html
from embcheck.reports.page.mutation import CASES_SHOWN, diff_lines, mutation


def test_without_files_there_is_no_evidence(tmp_path: Path) -> None:
    """A folder with only results has no evidence."""
    assert read_evidence([write_run(tmp_path / "run", every_outcome())]) == Evidence()


def test_the_newest_file_wins_and_names_its_folder(tmp_path: Path) -> None:
    """Of several folders, the newest file counts, and its source is only the folder's name."""
    for name, torch, age in (("one", "2.11", 20), ("two", "2.13", 10), ("three", "2.12", 30)):
        file = write_evidence(tmp_path / name, "coverage", coverage_data(torch=torch))
        os.utime(file, (10**9 - age, 10**9 - age))
    found = read_evidence(
        [tmp_path / "one", tmp_path / "two" / "results.jsonl", tmp_path / "three"]
    )
    assert found.coverage is not None
    assert (found.coverage.data["torch"], found.coverage.source) == ("2.13", "two")
    assert found.mutation is None


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("coverage", "{", "is not JSON"),
        ("coverage", "[" * 100_000, "is not JSON"),
        ("coverage", "[]", "is not a JSON object"),
        ("coverage", {}, "does not fit: the file: 'format' is a required property"),
        ("coverage", coverage_data(format=2), "newer embcheck; upgrade"),
        ("coverage", coverage_data(covered=-1), "does not fit: covered: -1"),
        ("coverage", coverage_data(covered=True), "does not fit: covered"),
        ("coverage", coverage_data(covered=7), "contradicts itself: all"),
        ("coverage", coverage_data(sentence("brilliant")), "does not fit: sentences/0/status"),
        ("coverage", '{"format": 1, "covered": NaN}', "does not fit"),
        ("mutation", mutation_data(killed=2), "1 of 3 listed mutants are killed"),
        ("mutation", mutation_data(mutant("killed", killed_by="all")), "mutants/0/killed_by"),
        ("mutation", mutation_data(generated=[]), "does not fit: generated"),
        (
            "mutation",
            mutation_data(clauses=[{"clause": HOSTILE, "killed": 2, "total": 1}]),
            "more are killed than there are",
        ),
    ],
)
def test_a_broken_file_is_told_with_its_name_and_what_to_do(
    tmp_path: Path, kind: str, data: Any, said: str
) -> None:
    """An invalid file ends the command with 2 and a remedy, and no report is written."""
    folder = write_run(tmp_path / "run", every_outcome())
    file = write_evidence(folder, kind, data)
    path = tmp_path / "report.html"
    done = CliRunner().invoke(report, [str(folder), "--html", str(path)])
    assert done.exit_code == 2
    assert str(file) in done.stderr
    assert said in done.stderr
    assert "write it anew with" in done.stderr or "upgrade" in done.stderr
    assert "\u202e" not in done.stderr
    assert not path.exists()


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A file beyond the limit is refused by its size."""
    file = write_evidence(tmp_path, "coverage", "")
    with file.open("r+b") as opened:
        opened.truncate(SIZE_LIMIT + 1)
    with pytest.raises(EvidenceError, match="larger than 32 MiB"):
        read_evidence([tmp_path])


def test_the_command_makes_pages_of_the_files(tmp_path: Path) -> None:
    """Evidence files become pages of the report, in place of a hint how to make them."""
    folder = write_run(tmp_path / "run", every_outcome())
    path = tmp_path / "report.html"
    CliRunner().invoke(report, [str(folder), "--html", str(path)], catch_exceptions=False)
    without = path.read_text("utf-8")
    assert 'id="coverage"' not in without
    assert 'href="#mutation"' not in without
    assert "embcheck coverage --out DIR" in without
    write_evidence(folder, "coverage", coverage_data())
    write_evidence(folder, "mutation", mutation_data())
    CliRunner().invoke(report, [str(folder), "--html", str(path)], catch_exceptions=False)
    page = path.read_text("utf-8")
    assert 'id="coverage"' in page
    assert 'id="mutation"' in page
    assert "embcheck coverage --out DIR" not in page
    assert str(tmp_path) not in page


def test_coverage_counts_what_is_normative_and_lists_what_is_open_first() -> None:
    """Only normative sentences count; gaps are listed first, then new and changed sentences."""
    rows = [sentence(status) for status in ("covered", "changed", "non-normative", "gap", "new")]
    page = coverage(Document(coverage_data(*rows), "run"), {"EMB-LOOK-01"})
    assert (page.bar.covered, page.bar.normative, page.bar.gaps) == (1, 4, 3)
    assert page.bar.share == 0.25
    assert [row.status for _, row in page.open] == ["gap", "new", "changed"]
    (thing,) = page.objects
    assert [row.status for row in thing.sentences][-2:] == ["covered", "non-normative"]


def test_coverage_of_nothing_has_no_share() -> None:
    """Coverage without normative sentences has no share."""
    page = coverage(Document(coverage_data(sentence("non-normative")), "run"), set())
    assert page.bar.share is None


def test_a_clause_leads_to_its_cases_only_where_there_are_some() -> None:
    """Clauses and cases that are not in the report are not linked."""
    row = sentence("covered", clauses=["EMB-LOOK-01", "EMB-GONE-01"])
    (thing,) = coverage(Document(coverage_data(row), "run"), {"EMB-LOOK-01"}).objects
    links = thing.sentences[0].clauses
    assert links == (("EMB-LOOK-01", "#clause=EMB-LOOK-01"), ("EMB-GONE-01", None))
    page = mutation(Document(mutation_data(), "run"), set(), {"embedding/lookup/picks-rows"})
    assert page.mutants[-1].killed_by == (
        ("embedding/lookup/picks-rows", "#case=embedding%2Flookup%2Fpicks-rows"),
        ("embedding/lookup/gone", None),
    )


def test_bugs_that_live_come_first() -> None:
    """Surviving mutants come first, then those killed elsewhere, then killed ones."""
    page = mutation(Document(mutation_data(), "run"), set(), set())
    assert [row.status for row in page.mutants] == ["survived", "killed-elsewhere", "killed"]
    assert [row.clause for row in page.partly] == ["EMB-LOOK-01"]
    assert page.wholly == ()
    assert page.share == pytest.approx(1 / 3)


def test_a_bug_against_several_clauses_names_each() -> None:
    """A mutant of several clauses names each, and a long list of killers is cut and counted."""
    both = mutant("killed", clause="A-01, B-01", killed_by=[f"case-{n}" for n in range(9)])
    (row,) = mutation(Document(mutation_data(both), "run"), {"B-01"}, set()).mutants
    assert row.clauses == (("A-01", None), ("B-01", "#clause=B-01"))
    assert (len(row.killed_by), row.killed_by_left) == (CASES_SHOWN, 9 - CASES_SHOWN)


def test_a_diff_is_told_line_by_line() -> None:
    """The lines of a diff are classified as heads, kept, added and removed."""
    kinds = [kind for kind, _ in diff_lines("--- a\n+++ b\n@@ -1 +1 @@\n x\n-y\n+z\n\n")]
    assert kinds == ["head", "head", "head", "kept", "removed", "added", "kept"]


def test_survivors_that_want_a_new_case_come_before_the_equivalent() -> None:
    """Generated survivors that got a new case come before equivalent ones."""
    survivors = [
        {"id": "a", "diff": "", "verdict": "equivalent", "reason": "the same"},
        {"id": "b", "diff": "", "verdict": "new case", "reason": "added"},
    ]
    made = {"tool": "some tool", "killed": 8, "total": 10, "survivors": survivors}
    page = mutation(Document(mutation_data(generated=made), "run"), set(), set())
    assert page.generated is not None
    assert [row.id for row in page.generated.survivors] == ["b", "a"]
    text = render_html([every_outcome()], evidence(mutation=mutation_data(generated=made)))
    assert "8 of 10 changes are caught" in text


def test_hostile_evidence_stays_text() -> None:
    """Hostile text in evidence files adds no markup and no hidden character."""
    bad = f"</pre></script>{HOSTILE}"
    rows = [
        sentence(status, object=bad, parameter=bad, paraphrase=bad, clauses=[bad], reason=bad)
        for status in ("gap", "covered")
    ]
    unused = [{"operation": bad, "option": bad, "value": bad, "dtype": bad, "reason": bad}]
    survivor = {"id": bad, "diff": bad, "verdict": "new case", "reason": bad}
    made = {"tool": bad, "killed": 0, "total": 1, "survivors": [survivor]}
    broken = mutant(
        "killed", id=bad, clause=bad, says=bad, file=bad, diff=bad, killed_by=[bad, bad]
    )
    page = render_html(
        [every_outcome()],
        evidence(
            coverage_data(*rows, torch=bad, clauses_without_cases=[bad], not_exercised=unused),
            mutation_data(broken, generated=made),
        ),
    )
    plain = render_html([every_outcome()], evidence(coverage_data(), mutation_data()))
    assert page.count("<script") == plain.count("<script") == 2
    assert not {"\u202e", "\x1b"} & set(page)
    assert "&lt;script&gt;" in page

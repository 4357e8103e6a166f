"""The mutation page: deliberate bugs in the reference, and the cases that catch them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from embcheck.reports.evidence import Document
from embcheck.reports.matrix import link
from embcheck.reports.page.coverage import clause_link, clause_links

_ORDER: Final = ("survived", "killed-elsewhere", "killed")
CASES_SHOWN: Final = 5


@dataclass(frozen=True)
class Mutant:
    """One deliberate bug, and what caught it."""

    id: str
    clauses: tuple[tuple[str, str | None], ...]
    says: str
    file: str
    diff: tuple[tuple[str, str], ...]
    status: str
    killed_by: tuple[tuple[str, str | None], ...]
    killed_by_left: int
    elsewhere: int


@dataclass(frozen=True)
class ClauseScore:
    """The number of bugs against a clause, and of those that its cases catch."""

    clause: str
    link: str | None
    killed: int
    total: int


@dataclass(frozen=True)
class Survivor:
    """A bug that a tool made and no case catches, and why."""

    id: str
    diff: tuple[tuple[str, str], ...]
    verdict: str
    reason: str


@dataclass(frozen=True)
class GeneratedMutants:
    """The bugs that a tool made."""

    tool: str
    killed: int
    total: int
    survivors: tuple[Survivor, ...]


@dataclass(frozen=True)
class Mutation:
    """The page: surviving bugs first, then those that only other clauses' cases catch."""

    source: str
    killed: int
    total: int
    mutants: tuple[Mutant, ...]
    clauses: tuple[ClauseScore, ...]
    generated: GeneratedMutants | None

    @property
    def partly(self) -> tuple[ClauseScore, ...]:
        """The clauses with a bug that their cases do not catch."""
        return tuple(score for score in self.clauses if score.killed < score.total)

    @property
    def wholly(self) -> tuple[ClauseScore, ...]:
        """The clauses whose bugs are all caught."""
        return tuple(score for score in self.clauses if score.killed == score.total)

    @property
    def share(self) -> float | None:
        """The share of the bugs that are caught; None if there are none."""
        return self.killed / self.total if self.total else None


def mutation(document: Document, clauses: Collection[str], cases: Collection[str]) -> Mutation:
    """Arrange a mutation file for the page; `clauses` and `cases` are those it can link to."""
    data = document.data
    mutants = [_mutant(row, clauses, cases) for row in data["mutants"]]
    return Mutation(
        source=document.source,
        **_counts(data),
        mutants=tuple(sorted(mutants, key=lambda mutant: _ORDER.index(mutant.status))),
        clauses=tuple(
            ClauseScore(row["clause"], clause_link(row["clause"], clauses), **_counts(row))
            for row in data["clauses"]
        ),
        generated=_generated(data["generated"]) if data.get("generated") else None,
    )


def diff_lines(diff: str) -> tuple[tuple[str, str], ...]:
    """Pair each line of a diff with its kind: `added`, `removed`, `head` or `kept`."""
    return tuple((_kind(line), line) for line in diff.splitlines())


def _kind(line: str) -> str:
    if line.startswith(("+++", "---", "@@")):
        return "head"
    return {"+": "added", "-": "removed"}.get(line[:1], "kept")


def _counts(row: Mapping[str, Any]) -> dict[str, int]:
    return {"killed": row["killed"], "total": row["total"]}


def _mutant(row: Mapping[str, Any], clauses: Collection[str], cases: Collection[str]) -> Mutant:
    killers = row["killed_by"]
    return Mutant(
        id=row["id"],
        # One bug may break several clauses.
        clauses=clause_links(row["clause"].split(", "), clauses),
        says=row["says"],
        file=row.get("file", ""),
        diff=diff_lines(row["diff"]),
        status=row["status"],
        killed_by=tuple(
            (case, link(case=case) if case in cases else None) for case in killers[:CASES_SHOWN]
        ),
        killed_by_left=max(0, len(killers) - CASES_SHOWN),
        elsewhere=row.get("elsewhere", 0),
    )


def _generated(data: Mapping[str, Any]) -> GeneratedMutants:
    survivors = tuple(
        Survivor(row["id"], diff_lines(row["diff"]), row["verdict"], row["reason"])
        # An equivalent mutant behaves like the original, so it comes last.
        for row in sorted(data["survivors"], key=lambda row: row["verdict"] == "equivalent")
    )
    return GeneratedMutants(data["tool"], data["killed"], data["total"], survivors)

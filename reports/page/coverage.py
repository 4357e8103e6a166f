"""The coverage page: each sentence of the documentation, and the clauses that cover it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from embcheck.reports.evidence import Document
from embcheck.reports.matrix import link
from embcheck.reports.reach import ReachTables, reach

_ORDER: Final = ("gap", "new", "changed", "gone", "covered", "non-normative")
_OPEN: Final = frozenset({"gap", "new", "changed", "gone"})
NO_PARAMETER: Final = "summary"


@dataclass(frozen=True)
class CoverageBar:
    """The number of sentences of an object, a parameter, or all, by status."""

    name: str
    covered: int
    non_normative: int
    total: int

    @property
    def gaps(self) -> int:
        """The number of normative sentences that no clause covers."""
        return self.total - self.covered - self.non_normative

    @property
    def normative(self) -> int:
        """The number of normative sentences."""
        return self.total - self.non_normative

    @property
    def share(self) -> float | None:
        """The share of the normative sentences that are covered; None if there are none."""
        return self.covered / self.normative if self.normative else None


@dataclass(frozen=True)
class SentenceRow:
    """One statement of the documentation, paraphrased; a new one is quoted."""

    parameter: str
    paraphrase: str
    clauses: tuple[tuple[str, str | None], ...]
    reason: str
    status: str

    @property
    def open(self) -> bool:
        """Whether the sentence needs work: it is a gap, or new, changed or gone."""
        return self.status in _OPEN


@dataclass(frozen=True)
class CoveredObject:
    """One documented function or class."""

    bar: CoverageBar
    parameters: tuple[CoverageBar, ...]
    sentences: tuple[SentenceRow, ...]


@dataclass(frozen=True)
class CoveragePage:
    """The page; links lead to a clause's cases, None if this report has none."""

    source: str
    torch: str
    bar: CoverageBar
    objects: tuple[CoveredObject, ...]
    open: tuple[tuple[str, SentenceRow], ...]
    loose_ends: tuple[tuple[str, tuple[str, ...]], ...]
    reach: ReachTables | None
    """Sizes and pairs of options; None if an older embcheck wrote the file."""


def clause_link(name: str, known: Collection[str]) -> str | None:
    """Return a link to a clause's cases; None if the report has none."""
    return link(clause=name) if name in known else None


def clause_links(
    names: Iterable[str], known: Collection[str]
) -> tuple[tuple[str, str | None], ...]:
    """Pair each clause with a link to its cases."""
    return tuple((name, clause_link(name, known)) for name in names)


def coverage(document: Document, clauses: Collection[str]) -> CoveragePage:
    """Arrange a coverage file for the page; `clauses` are those with cases in the report."""
    data = document.data
    sentences = [(row["object"], _sentence(row, clauses)) for row in data["sentences"]]
    return CoveragePage(
        source=document.source,
        torch=data["torch"],
        bar=_bar("all", data),
        objects=tuple(
            _object(part, [row for name, row in sentences if name == part["object"]])
            for part in data["objects"]
        ),
        open=tuple(
            (name, row) for name, row in sorted(sentences, key=lambda s: _rank(s[1])) if row.open
        ),
        loose_ends=tuple((title, names) for title, names in _loose_ends(data) if names),
        # Files of an older embcheck have no sizes and pairs.
        reach=reach(data) if "sizes" in data and "pairs" in data else None,
    )


def _rank(row: SentenceRow) -> int:
    return _ORDER.index(row.status)


def _object(part: Mapping[str, Any], sentences: Iterable[SentenceRow]) -> CoveredObject:
    bars = tuple(_bar(row["parameter"] or NO_PARAMETER, row) for row in part["parameters"])
    return CoveredObject(_bar(part["object"], part), bars, tuple(sorted(sentences, key=_rank)))


def _bar(name: str, counts: Mapping[str, Any]) -> CoverageBar:
    return CoverageBar(name, counts["covered"], counts["non_normative"], counts["total"])


def _sentence(row: Mapping[str, Any], clauses: Collection[str]) -> SentenceRow:
    return SentenceRow(
        row["parameter"] or NO_PARAMETER,
        # A new sentence is quoted: nobody has paraphrased it yet.
        row["paraphrase"] or row.get("text") or "",
        clause_links(row["clauses"], clauses),
        row.get("reason") or "",
        row["status"],
    )


def _loose_ends(data: Mapping[str, Any]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield the other gaps, by kind, with a title for each kind."""
    # Files that an older embcheck wrote lack some of these.
    yield "clauses without a case", tuple(data.get("clauses_without_cases", ()))
    yield "documented clauses that no sentence carries", tuple(data.get("unfounded", ()))
    yield "cases without a clause", tuple(data.get("cases_without_clauses", ()))
    rows = data.get("not_exercised", ())
    yield "combinations that no case uses", tuple(_use(row) for row in rows if not _why(row))
    yield (
        "combinations that are left out for a reason",
        tuple(f"{_use(row)} ({_why(row)})" for row in rows if _why(row)),
    )


def _use(row: Mapping[str, Any]) -> str:
    parts = (row.get(key) for key in ("operation", "option", "value", "dtype"))
    return " ".join(str(part) for part in parts if part is not None)


def _why(row: Mapping[str, Any]) -> str:
    return str(row.get("reason") or "")

"""The scores of a report by family of libraries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from embcheck.conformance.execution.judging.causes import Category
from embcheck.reports.families import by_family
from embcheck.reports.marks import Mark
from embcheck.reports.tables import BackendScore, Score
from embcheck.reports.units import percent_text

COLUMNS: Mapping[str, tuple[str, str, tuple[Mark, ...]]] = {
    "silent": ("silent", "failed with no sign", (Mark.SILENT,)),
    "crashed": (
        "died",
        "the process died, or hung",
        (Mark.CRASHED, Mark.TIMED_OUT),
    ),
    "loud": ("loud", "refused a valid call", (Mark.LOUD,)),
}
REST: Mapping[Mark, tuple[str, str]] = {
    Mark.ERRORED: ("error", "adapter or harness at fault"),
    Mark.STALE: ("stale", "a recorded deviation that no longer happens"),
    Mark.DEVIATED: ("by chance", "known to depart by chance, but did not"),
    Mark.NOT_RUN: ("not run", "nothing is known"),
    Mark.EARLIER: ("earlier", "refused by an earlier stage, before the library saw it"),
    Mark.UNSUPPORTED: ("n/a", "unsupported, declared"),
    Mark.OBSERVED: ("observed", "implementation-defined, never scored"),
}
_LATER = (Mark.UNSUPPORTED, Mark.OBSERVED)
WHOSE: Mapping[str, tuple[str, str]] = {
    "bug": ("bug", "known: the library does otherwise, and does not say so"),
    "by-design": ("by design", "known: the library documents it"),
    "composition": ("composition", "known: what the adapter composes does otherwise"),
    "environment": ("harness", "known: a limit or a setting of the harness"),
    "": ("not known", "no known deviation explains it"),
}


@dataclass(frozen=True)
class Counted:
    """Counts for some backends: departures by how they fail and by category, and other marks."""

    failures: tuple[int, ...]
    whose: tuple[int, ...]
    rest: tuple[int, ...]


@dataclass(frozen=True)
class Member:
    """A backend of a family: its place among the report's columns, its score and its counts."""

    number: int
    score: BackendScore
    counted: Counted


@dataclass(frozen=True)
class LibraryFamily:
    """A family of libraries: its backends, and their scores from the lowest to the highest."""

    name: str
    members: tuple[Member, ...]
    counted: Counted
    answers: str
    guards: str


@dataclass(frozen=True)
class ScoreTable:
    """The table of scores: `rest` and `whose` are those columns that are not 0 everywhere."""

    families: tuple[LibraryFamily, ...]
    whose: tuple[str, ...]
    rest: tuple[Mark, ...]

    @property
    def width(self) -> int:
        """The number of columns."""
        return 3 + len(COLUMNS) + len(self.whose) + len(self.rest)


def score_families(scores: Sequence[BackendScore], library: Callable[[str], str]) -> ScoreTable:
    """Group scores by the family of the backend's library, and leave out columns without counts."""
    total = sum((Counter(dict(score.total.counts)) for score in scores), Counter[Mark]())
    rest = tuple(mark for mark in REST if total[mark] or mark in _LATER)
    belongs = sum((whose_of(score) for score in scores), Counter[str]())
    whose = tuple(name for name in WHOSE if belongs[name])
    numbers = {score.backend: number for number, score in enumerate(scores)}
    families = []
    for name, found in by_family(scores, lambda score: library(score.backend)).items():
        members = tuple(
            Member(numbers[score.backend], score, _counted([score], whose, rest)) for score in found
        )
        families.append(
            LibraryFamily(
                name,
                members,
                _counted(found, whose, rest),
                _range(score.answers for score in found),
                _range(score.guards for score in found),
            )
        )
    return ScoreTable(tuple(families), whose, rest)


def whose_of(score: BackendScore) -> Counter[str]:
    """Count a backend's departures by the category of the known deviation; "" without one."""
    known = Counter({str(name): score.categories.get(str(name), 0) for name in Category})
    # Adding counters drops counts of 0.
    return known + Counter({"": score.total.departures - known.total()})


def _counted(scores: Sequence[BackendScore], whose: Sequence[str], rest: Sequence[Mark]) -> Counted:
    belongs = sum((whose_of(score) for score in scores), Counter[str]())
    return Counted(
        tuple(
            sum(score.total[mark] for score in scores for mark in marks)
            for _, _, marks in COLUMNS.values()
        ),
        tuple(belongs[name] for name in whose),
        tuple(sum(score.total[mark] for score in scores) for mark in rest),
    )


def _range(scores: Iterable[Score]) -> str:
    shares = sorted(score.share for score in scores if score.share is not None)
    if not shares:
        return ""
    low, high = percent_text(shares[0]), percent_text(shares[-1])
    return low if low == high else f"{low} to {high}"

"""The scores counted from finished runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from embcheck.conformance.execution.judging.causes import Category
from embcheck.reports.marks import Mark
from embcheck.reports.merge import Merged, MergedResult


@dataclass(frozen=True)
class Score:
    """The count of each mark, over the cases of one group on one backend."""

    counts: Mapping[Mark, int] = field(default_factory=dict)

    def __getitem__(self, mark: Mark) -> int:
        return self.counts.get(mark, 0)

    @property
    def passed(self) -> int:
        """The number of cases that passed."""
        return self[Mark.PASSED]

    @property
    def scored(self) -> int:
        """The number of scored cases: all but unsupported, observed and not-run ones."""
        return sum(count for mark, count in self.counts.items() if mark.scored)

    @property
    def share(self) -> float | None:
        """The share of the scored cases that passed; None if no case is scored."""
        return self.passed / self.scored if self.scored else None

    @property
    def departures(self) -> int:
        """The number of departures."""
        return sum(count for mark, count in self.counts.items() if mark.departs)


@dataclass(frozen=True)
class BackendScore:
    """The two scores of a backend, its counts over all levels, and its known departures.

    `known` counts the departures that a known deviation explains, `categories` has them by
    category, and `changed` counts those that depart in another way than a deviation says.
    """

    backend: str
    answers: Score
    guards: Score
    total: Score
    known: int = 0
    changed: int = 0
    categories: Mapping[str, int] = field(default_factory=dict)


def by_category(findings: Iterable[MergedResult]) -> dict[str, int]:
    """Count known departures by category, in the order of the categories."""
    counts = Counter(finding.category for finding in findings)
    return {str(name): counts[name] for name in Category if counts[name]}


def categories_text(counts: Mapping[str, int]) -> str:
    """Return the counts as text: `30 bug, 12 by-design`; empty if there are none."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def score_table(merged: Merged) -> list[BackendScore]:
    """Count the two scores of each backend that has results."""
    return [_backend_score(name, merged.of_backend(name)) for name in merged.columns]


def _backend_score(name: str, findings: Sequence[MergedResult]) -> BackendScore:
    departed = [finding for finding in findings if finding.mark.departs]
    return BackendScore(
        name,
        answers=_score(finding.mark for finding in findings if finding.group == "answers"),
        guards=_score(finding.mark for finding in findings if finding.group == "guards"),
        total=_score(finding.mark for finding in findings),
        known=sum(finding.known for finding in departed),
        changed=sum(finding.changed for finding in departed),
        categories=by_category(departed),
    )


def _score(marks: Iterable[Mark]) -> Score:
    return Score(Counter(marks))

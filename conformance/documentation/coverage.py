"""Compute how far the suite covers the documentation: sentences, clauses, cases, options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from embcheck.conformance.documentation.drift import SentencePair, compare
from embcheck.conformance.documentation.exercise import (
    EXERCISE_FILE,
    ExemptCombinations,
    Exercise,
    exercise_of,
    load_left_out,
)
from embcheck.conformance.documentation.founded import unfounded
from embcheck.conformance.documentation.mapping import MappedSentence, load_mapping, mapping_files
from embcheck.conformance.documentation.reading import Documentation
from embcheck.conformance.documentation.sentences import sentences_of
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files, suite_root
from embcheck.conformance.suite.model import Case, Clause

FORMAT = 1
TEXT_LENGTH = 160


class SentenceStatus(StrEnum):
    """Whether a sentence is covered, or how it drifted."""

    COVERED = "covered"
    """Clauses with cases cover it."""
    NON_NORMATIVE = "non-normative"
    """It states nothing that can be tested."""
    GAP = "gap"
    """At least one of its clauses has no case."""
    NEW = "new"
    """It is in the installed torch's documentation, but not in the mapping."""
    CHANGED = "changed"
    """The installed torch's documentation has another text in its place."""
    GONE = "gone"
    """It is no longer in the installed torch's documentation."""


DRIFT = (SentenceStatus.NEW, SentenceStatus.CHANGED, SentenceStatus.GONE)
ACCOUNTED = (SentenceStatus.COVERED, SentenceStatus.NON_NORMATIVE)


@dataclass(frozen=True)
class CoveredSentence:
    """A sentence and what covers it; if it drifted, `text` is the start of torch's present text."""

    object: str
    parameter: str
    paraphrase: str
    clauses: tuple[str, ...]
    reason: str | None
    status: SentenceStatus
    hash: str | None
    text: str | None = None


@dataclass(frozen=True)
class Coverage:
    """The coverage of one version of torch, and its gaps."""

    torch: str
    """The version whose documentation was read."""
    mapped_torch: str
    """The version whose documentation was mapped to clauses."""
    entries: tuple[CoveredSentence, ...]
    clauses_without_cases: tuple[str, ...]
    unfounded: tuple[str, ...]
    """Problems with the sentences of documented clauses, with file and line."""
    cases_without_clauses: tuple[str, ...]
    exercise: Exercise

    @property
    def gaps(self) -> int:
        """The number of gaps of every kind."""
        lists = (
            [entry for entry in self.entries if entry.status not in ACCOUNTED],
            self.clauses_without_cases,
            self.unfounded,
            self.cases_without_clauses,
            self.exercise.not_exercised,
            self.exercise.idle_reasons,
        )
        return sum(len(found) for found in lists)


def shipped_coverage(documentation: Documentation) -> Coverage:
    """Compute how far the shipped suite covers a documentation. Raise SpecError for bad specs."""
    return coverage_of(
        documentation,
        load_mapping(mapping_files()),
        shipped_clauses(),
        [case for file in spec_files() for case in load_spec(file).cases],
        load_left_out(suite_root() / "documentation" / EXERCISE_FILE),
    )


def coverage_of(
    documentation: Documentation,
    mapped: Sequence[MappedSentence],
    clauses: Mapping[str, Clause],
    cases: Sequence[Case],
    left_out: Sequence[ExemptCombinations],
) -> Coverage:
    """Compute how far some clauses and cases cover a documentation."""
    with_cases = {clause.id for case in cases for clause in case.clauses}
    found = [sentence for thing in documentation.objects for sentence in sentences_of(thing)]
    return Coverage(
        torch=documentation.torch,
        # All files name the same version; a test checks that.
        mapped_torch=mapped[0].torch,
        entries=tuple(_entry(pair, with_cases) for pair in compare(mapped, found)),
        clauses_without_cases=tuple(id_ for id_ in clauses if id_ not in with_cases),
        unfounded=tuple(unfounded(clauses.values(), mapped, found)),
        cases_without_clauses=tuple(case.id for case in cases if not case.clauses),
        exercise=exercise_of(cases, left_out),
    )


def _entry(pair: SentencePair, with_cases: set[str]) -> CoveredSentence:
    mapped, found = pair.mapped, pair.found
    status = _status(pair, with_cases)
    return CoveredSentence(
        object=pair.place[0],
        parameter=pair.place[1],
        paraphrase=mapped.paraphrase if mapped else "",
        clauses=mapped.clauses if mapped else (),
        reason=mapped.non_normative if mapped else None,
        status=status,
        hash=found.hash if found else None,
        text=found.text[:TEXT_LENGTH] if found and status in DRIFT else None,
    )


def _status(pair: SentencePair, with_cases: set[str]) -> SentenceStatus:
    if pair.mapped is None:
        return SentenceStatus.NEW
    if pair.found is None:
        return SentenceStatus.GONE
    # Drift counts before coverage: clauses that covered the old text may not cover the new one.
    if pair.mapped.hash != pair.found.hash:
        return SentenceStatus.CHANGED
    if pair.mapped.non_normative:
        return SentenceStatus.NON_NORMATIVE
    return (
        SentenceStatus.COVERED if with_cases.issuperset(pair.mapped.clauses) else SentenceStatus.GAP
    )


def as_json(coverage: Coverage) -> dict[str, Any]:
    """Return the content of `coverage.json`."""
    exercise = coverage.exercise
    by_object = group(coverage.entries, "object")
    return {
        "format": FORMAT,
        "torch": coverage.torch,
        "mapped_torch": coverage.mapped_torch,
        **tally(coverage.entries),
        "gaps": coverage.gaps,
        "objects": [
            {
                "object": name,
                **tally(entries),
                "parameters": [
                    {"parameter": parameter, **tally(some)}
                    for parameter, some in group(entries, "parameter").items()
                ],
            }
            for name, entries in by_object.items()
        ],
        "sentences": [asdict(entry) for entry in coverage.entries],
        "clauses_without_cases": coverage.clauses_without_cases,
        "unfounded": coverage.unfounded,
        "cases_without_clauses": coverage.cases_without_clauses,
        "combinations": exercise.total,
        "not_exercised": [
            *({**asdict(one), "reason": None} for one in exercise.not_exercised),
            *({**asdict(one), "reason": why} for one, why in exercise.left_out.items()),
        ],
        "idle_reasons": exercise.idle_reasons,
    }


def group(entries: Iterable[CoveredSentence], by: str) -> dict[str, list[CoveredSentence]]:
    """Group entries by an attribute, `object` or `parameter`, in order of appearance."""
    groups: dict[str, list[CoveredSentence]] = {}
    for entry in entries:
        groups.setdefault(getattr(entry, by), []).append(entry)
    return groups


def tally(entries: Iterable[CoveredSentence]) -> dict[str, int]:
    """Count the installed torch's sentences: covered, non-normative, and all."""
    counts = Counter(entry.status for entry in entries)
    return {
        "covered": counts[SentenceStatus.COVERED],
        "non_normative": counts[SentenceStatus.NON_NORMATIVE],
        # Sentences that are gone are not the installed torch's.
        "total": counts.total() - counts[SentenceStatus.GONE],
    }

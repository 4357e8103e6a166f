"""What changed between two runs, case by case and backend by backend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from embcheck.conformance.records.comparable import REMEDY, NotComparable, differences
from embcheck.reports.merge import Finding, Merged, behaviour_id

FORMAT_VERSION = 1

_VOLATILE = (
    (re.compile(r"\b0x[0-9a-fA-F]+"), "<address>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)?(e-?\d+)? ?(ns|us|ms|s|sec|seconds?|minutes?)\b"), "<time>"),
)
"""Parts of a message that vary from run to run."""


class What(StrEnum):
    """The sorts of change; a case has the first that applies."""

    OUTCOME = "outcome"
    KIND = "kind"
    READING = "reading"
    MESSAGE = "message"


class UnknownBackend(Exception):
    """A backend to compare is not in the run; the message says which are."""


@dataclass(frozen=True)
class State:
    """The result of a case on a backend in one run; `not-asked` if there is none."""

    outcome: str = "not-asked"
    kind: str = ""
    reading: str = ""
    message: str = ""


@dataclass(frozen=True)
class Pair:
    """A backend of each run, to be compared, with library and version."""

    before: str
    after: str
    library_before: str
    library_after: str

    @property
    def name(self) -> str:
        """The backend, or both if they differ."""
        return self.before if self.before == self.after else f"{self.before} = {self.after}"


@dataclass(frozen=True)
class Change:
    """A case whose result changed."""

    what: What
    case: str
    pair: Pair
    before: State
    after: State


@dataclass(frozen=True)
class Difference:
    """Everything that changed from one run to another; `compared` counts the results of both.

    `rejudged` names cases and clauses that two suites judge in two ways; such cases are not
    compared.
    """

    pairs: tuple[Pair, ...]
    new_backends: tuple[str, ...]
    gone_backends: tuple[str, ...]
    new_cases: tuple[str, ...]
    gone_cases: tuple[str, ...]
    changes: tuple[Change, ...]
    compared: int
    rejudged: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything but versions changed."""
        missing = self.new_backends or self.gone_backends or self.new_cases or self.gone_cases
        return bool(missing or self.changes or self.rejudged)

    def of(self, what: What) -> tuple[Change, ...]:
        """Return the changes of one sort."""
        return tuple(change for change in self.changes if change.what is what)

    def to_json_data(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        changes = [{**asdict(change), "pair": change.pair.name} for change in self.changes]
        return {"format": FORMAT_VERSION, **asdict(self), "changes": changes}


def compare(before: Merged, after: Merged, mapping: Sequence[tuple[str, str]] = ()) -> Difference:
    """Compare two runs: each backend with itself, or, where backends are mapped, only those.

    Raises UnknownBackend for a mapped backend that its run does not have, and NotComparable if
    the runs are said to be of one suite, and judge a case in two ways.
    """
    rejudged = differences(before.runs, after.runs)
    if rejudged and _suites(before) == _suites(after):
        raise NotComparable(
            f"the runs name the same suite, but judge {len(rejudged):,} clauses and cases in two "
            f"ways, the first is {rejudged[0]}; {REMEDY}"
        )
    old, new = _findings(before), _findings(after)
    for name, found in [*((a, old) for a, _ in mapping), *((b, new) for _, b in mapping)]:
        if name not in found:
            known = ", ".join(found) or "none"
            raise UnknownBackend(f"no results of '{name}'; the run has those of {known}")
    same = [(name, name) for name in old if name in new]
    pairs = tuple(Pair(a, b, _library(before, a), _library(after, b)) for a, b in mapping or same)
    both = before.cases.keys() & after.cases.keys()
    shared = both.difference(name.removeprefix("case ") for name in rejudged)
    in_part = before.parts.keys() | after.parts.keys()
    asked = [
        (pair, case) for pair in pairs for case in _asked(pair, old, new, in_part) if case in shared
    ]
    return Difference(
        pairs,
        () if mapping else tuple(name for name in new if name not in old),
        () if mapping else tuple(name for name in old if name not in new),
        tuple(case for case in after.cases if case not in both),
        tuple(case for case in before.cases if case not in both),
        tuple(_changes(asked, old, new)),
        len(asked),
        tuple(rejudged),
    )


def _suites(merged: Merged) -> set[str]:
    return {run.header.suite for run in merged.runs if run.cases}


def by_behaviour(cases: Iterable[str]) -> Counter[str]:
    """Count cases by the spec that they belong to."""
    return Counter(map(behaviour_id, cases))


def normalise(message: str) -> str:
    """Replace addresses, dates and durations in a message by placeholders."""
    for pattern, placeholder in _VOLATILE:
        message = pattern.sub(placeholder, message)
    return message


_Found = Mapping[str, Mapping[str, State]]


def _findings(merged: Merged) -> dict[str, dict[str, State]]:
    found: dict[str, dict[str, State]] = {name: {} for name in merged.columns}
    for finding in merged.findings:
        found[finding.backend][finding.case.case] = _state(finding)
    return found


def _state(finding: Finding) -> State:
    result = finding.result
    if result is None:
        return State("not-run")
    message = normalise(str(result.message))
    return State(str(result.outcome), str(result.kind or ""), str(result.reading or ""), message)


def _library(merged: Merged, name: str) -> str:
    entry = merged.backends[name]
    return f"{entry.distinct('library')} {entry.distinct('version')}".strip()


def _asked(pair: Pair, old: _Found, new: _Found, in_part: Collection[str]) -> Iterable[str]:
    """Return the cases to compare.

    If the backends are two, or a run had only a part of the suite, those that both runs have.
    """
    ours, theirs = old[pair.before], new[pair.after]
    if pair.before != pair.after or pair.before in in_part:
        return [case for case in ours if case in theirs]
    return dict.fromkeys((*ours, *theirs))


def _changes(asked: Iterable[tuple[Pair, str]], old: _Found, new: _Found) -> Iterator[Change]:
    for pair, case in asked:
        before = old[pair.before].get(case, State())
        after = new[pair.after].get(case, State())
        what = _what(before, after, speaks_the_same=pair.before == pair.after)
        if what is not None:
            yield Change(what, case, pair, before, after)


def _what(before: State, after: State, *, speaks_the_same: bool) -> What | None:
    """Return the sort of change; messages of two libraries are not compared."""
    if before.outcome != after.outcome:
        return What.OUTCOME
    if before.kind != after.kind:
        return What.KIND
    if before.reading != after.reading:
        return What.READING
    return What.MESSAGE if speaks_the_same and before.message != after.message else None

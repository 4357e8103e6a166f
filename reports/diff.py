"""What changed between two runs, case by case and backend by backend."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache

from embcheck.conformance.records.comparable import REMEDY, NotComparable, differences
from embcheck.conformance.records.lines import CaseLine
from embcheck.conformance.records.run import Run
from embcheck.reports.merge import Merged, MergedResult, behaviour_id, doubts_text

FORMAT_VERSION = 1

_VOLATILE = (
    (re.compile(r"\b0x[0-9a-fA-F]+"), "<address>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)?(e-?\d+)? ?(ns|us|ms|s|sec|seconds?|minutes?)\b"), "<time>"),
)
"""Parts of a message that vary from run to run."""


class What(StrEnum):
    """The kinds of change; a case has the first that applies."""

    OUTCOME = "outcome"
    KIND = "kind"
    READING = "reading"
    MESSAGE = "message"


class BackendNotInRun(Exception):
    """A backend to compare is not in the run; the message says which are."""


@dataclass(frozen=True, slots=True)
class State:
    """The result of a case on a backend in one run; `not-asked` if there is none."""

    outcome: str = "not-asked"
    kind: str = ""
    reading: str = ""
    message: str = ""


@dataclass(frozen=True)
class BackendPair:
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
class Side:
    """The data of a run that a comparison needs, which takes much less memory than the run.

    `runs` are without their results; `states` has these by backend and case. `libraries` has the
    library and version of each backend, `parts` the selection of backends that ran only a part of
    the suite. `partial` says why, for each run that is partial.
    """

    runs: tuple[Run, ...]
    cases: Mapping[str, CaseLine]
    states: Mapping[str, Mapping[str, State]]
    libraries: Mapping[str, str]
    parts: Mapping[str, str]
    partial: tuple[str, ...]

    @classmethod
    def of(cls, merged: Merged) -> Side:
        """Extract the data from a merged run, whose memory can then be freed."""
        states: dict[str, dict[str, State]] = {name: {} for name in merged.columns}
        # Most cases share a few states: each is kept once.
        alike: dict[State, State] = {}
        for finding in merged.findings:
            state = _state(finding)
            states[finding.backend][finding.case.case] = alike.setdefault(state, state)
        return cls(
            # Without results, which `states` has in short: two whole runs may not fit in memory.
            tuple(replace(run, results=[], rounds=[], measurements=[]) for run in merged.runs),
            merged.cases,
            states,
            {name: _library(merged, name) for name in merged.columns},
            merged.parts,
            tuple(f"is partial: {doubts_text(run)}" for run in merged.partial),
        )


@dataclass(frozen=True, slots=True)
class ResultChange:
    """A case whose result changed."""

    what: What
    case: str
    pair: BackendPair
    before: State
    after: State


@dataclass(frozen=True)
class Difference:
    """Everything that changed from one run to another; `compared` counts the compared results.

    `rejudged` names cases and clauses that the two suites judge differently; such cases are not
    compared.
    """

    pairs: tuple[BackendPair, ...]
    new_backends: tuple[str, ...]
    gone_backends: tuple[str, ...]
    new_cases: tuple[str, ...]
    gone_cases: tuple[str, ...]
    changes: tuple[ResultChange, ...]
    compared: int
    rejudged: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything but versions changed."""
        missing = self.new_backends or self.gone_backends or self.new_cases or self.gone_cases
        return bool(missing or self.changes or self.rejudged)

    def of(self, what: What) -> tuple[ResultChange, ...]:
        """Return the changes of one kind."""
        return tuple(change for change in self.changes if change.what is what)

    def json_lines(self) -> Iterator[str]:
        """Yield everything as the lines of a JSON document, one line for each change."""
        yield f'{{"format": {FORMAT_VERSION},'
        yield f'"pairs": {json.dumps([asdict(pair) for pair in self.pairs])},'
        for name in (field.name for field in fields(self) if field.name not in _OF_THEIR_OWN):
            yield f'"{name}": {json.dumps(getattr(self, name))},'
        yield '"changes": ['
        last = len(self.changes) - 1
        for number, change in enumerate(self.changes):
            yield json.dumps(_plain(change)) + ("," if number < last else "")
        yield "]}"


def compare(
    before: Merged | Side, after: Merged | Side, mapping: Sequence[tuple[str, str]] = ()
) -> Difference:
    """Compare two runs: each backend with itself or, with a `mapping`, only the mapped backends.

    Raises BackendNotInRun for a mapped backend that its run does not have, and NotComparable if
    the runs name the same suite, but judge a case differently.
    """
    old, new = (run if isinstance(run, Side) else Side.of(run) for run in (before, after))
    rejudged = differences(old.runs, new.runs)
    # Two suites may judge a case differently: it is left out. Within one suite, this is a mistake.
    if rejudged and _suites(old) == _suites(new):
        raise NotComparable(
            f"the runs name the same suite, but judge {len(rejudged):,} clauses and cases in two "
            f"ways, the first is {rejudged[0]}; {REMEDY}"
        )
    for name, found in [*((a, old) for a, _ in mapping), *((b, new) for _, b in mapping)]:
        if name not in found.states:
            known = ", ".join(found.states) or "none"
            raise BackendNotInRun(f"no results of '{name}'; the run has those of {known}")
    same = [(name, name) for name in old.states if name in new.states]
    pairs = tuple(BackendPair(a, b, old.libraries[a], new.libraries[b]) for a, b in mapping or same)
    # A case that only one of them has is listed apart, not as a changed result.
    both = old.cases.keys() & new.cases.keys()
    shared = both.difference(name.removeprefix("case ") for name in rejudged)
    in_part = old.parts.keys() | new.parts.keys()
    changes: list[ResultChange] = []
    compared = 0
    for pair in pairs:
        ours, theirs = old.states[pair.before], new.states[pair.after]
        asked = [case for case in _asked(pair, ours, theirs, in_part) if case in shared]
        changes += _changes(pair, asked, ours, theirs)
        compared += len(asked)
    return Difference(
        pairs,
        () if mapping else tuple(name for name in new.states if name not in old.states),
        () if mapping else tuple(name for name in old.states if name not in new.states),
        tuple(case for case in new.cases if case not in both),
        tuple(case for case in old.cases if case not in both),
        tuple(changes),
        compared,
        tuple(rejudged),
    )


def _suites(side: Side) -> set[str]:
    return {run.header.suite for run in side.runs if run.cases}


def by_behaviour(cases: Iterable[str]) -> Counter[str]:
    """Count cases by the spec that they belong to."""
    return Counter(map(behaviour_id, cases))


@lru_cache(maxsize=1024)
def normalise(message: str) -> str:
    """Replace addresses, dates and durations in a message by placeholders."""
    for pattern, placeholder in _VOLATILE:
        message = pattern.sub(placeholder, message)
    return message


_NOT_ASKED = State()
_OF_THEIR_OWN = frozenset({"pairs", "changes"})
_States = Mapping[str, State]


def _plain(change: ResultChange) -> dict[str, object]:
    states = {"before": asdict(change.before), "after": asdict(change.after)}
    return {"what": change.what, "case": change.case, "pair": change.pair.name, **states}


def _state(finding: MergedResult) -> State:
    result = finding.result
    if result is None:
        return State("not-run")
    message = normalise(str(result.message))
    return State(str(result.outcome), str(result.kind or ""), str(result.reading or ""), message)


def _library(merged: Merged, name: str) -> str:
    entry = merged.backends[name]
    return f"{entry.distinct('library')} {entry.distinct('version')}".strip()


def _asked(
    pair: BackendPair, ours: _States, theirs: _States, in_part: Collection[str]
) -> Iterable[str]:
    """Return the cases to compare.

    If the two backends differ, or a run had only a part of the suite, only cases of both runs.
    """
    if pair.before != pair.after or pair.before in in_part:
        return [case for case in ours if case in theirs]
    return dict.fromkeys((*ours, *theirs))


def _changes(
    pair: BackendPair, asked: Iterable[str], ours: _States, theirs: _States
) -> Iterator[ResultChange]:
    # Two libraries say the same thing in different words.
    speaks_the_same = pair.before == pair.after
    for case in asked:
        before, after = ours.get(case, _NOT_ASKED), theirs.get(case, _NOT_ASKED)
        what = _what(before, after, speaks_the_same=speaks_the_same)
        if what is not None:
            yield ResultChange(what, case, pair, before, after)


def _what(before: State, after: State, *, speaks_the_same: bool) -> What | None:
    """Return the kind of change; messages of two libraries are not compared."""
    if before.outcome != after.outcome:
        return What.OUTCOME
    if before.kind != after.kind:
        return What.KIND
    if before.reading != after.reading:
        return What.READING
    return What.MESSAGE if speaks_the_same and before.message != after.message else None

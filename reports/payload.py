"""The cases behind a report's matrix, as one compact JSON block for its script."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from embcheck.conformance.records.lines import CaseLine, KnownDeviation
from embcheck.reports.marks import LOOKS, Mark
from embcheck.reports.merge import Finding, Merged, behaviour_id
from embcheck.reports.stages import Stages
from embcheck.reports.untrusted import clean, finite, web_link
from embcheck.reports.values import Entry, differences, entries, option_entries

MESSAGE_LIMIT = 20_000
_MARKS = list(Mark)
T = TypeVar("T", bound=Hashable)


class Pool(Generic[T]):
    """Keeps each value once and returns its number, since tables and messages repeat a lot."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}

    def number(self, thing: T) -> int:
        """Return the number of a value; adds it if it is new."""
        return self._numbers.setdefault(thing, len(self._numbers))

    def things(self) -> list[T]:
        """Return the values by number."""
        return list(self._numbers)


class Payload:
    """Collects the script's data, with every text cleaned."""

    def __init__(self, merged: Merged, stages: Stages) -> None:
        self._merged = merged
        self._stages = stages
        self._entries: Pool[Entry] = Pool()
        self._texts: Pool[str] = Pool()
        self._behaviours: Pool[str] = Pool()

    def build(self) -> dict[str, Any]:
        """Return plain JSON data: cases once, and one short row for each finding."""
        merged = self._merged
        case_numbers = {name: number for number, name in enumerate(merged.cases)}
        backend_numbers = {name: number for number, name in enumerate(merged.columns)}
        cases = [self._case(case) for case in merged.cases.values()]
        findings = [
            [case_numbers[found.case.case], backend_numbers[found.backend], *self._finding(found)]
            for found in merged.findings
        ]
        sentences = {behaviour_id(case.case): case.behaviour for case in merged.cases.values()}
        return {
            "backends": [clean(name) for name in merged.columns],
            "marks": [self._mark(mark) for mark in _MARKS],
            "behaviours": [
                [clean(name), clean(sentences[name])] for name in self._behaviours.things()
            ],
            "clauses": {
                clean(clause.id): [
                    clean(clause.level),
                    clean(clause.statement),
                    clean(clause.source),
                    clean(f"{clause.object}: {clause.parameter}"),
                ]
                for clause in merged.clauses.values()
            },
            "cases": cases,
            "findings": findings,
            "entries": self._entries.things(),
            "texts": self._texts.things(),
        }

    @staticmethod
    def _mark(mark: Mark) -> list[Any]:
        look = LOOKS[mark]
        return [str(mark), look.symbol, look.short, look.meaning, mark.departs]

    def _case(self, case: CaseLine) -> dict[str, Any]:
        call = case.call if isinstance(case.call, dict) else {}
        return {
            "id": clean(case.case),
            "title": clean(case.title),
            "behaviour": self._behaviours.number(behaviour_id(case.case)),
            "clauses": [clean(clause) for clause in case.clauses],
            "level": clean(case.level),
            "where": clean(case.where),
            "operation": clean(call.get("operation", "")),
            "observe": clean(", ".join(map(str, call.get("observe") or ()))),
            "steps": [clean(step) for step in case.steps or ()],
            "inputs": self._numbers(entries(call.get("inputs"))),
            "options": self._numbers(option_entries(call.get("options"))),
            "expected": self._numbers(entries(case.expected)),
            "refused": case.expected is None and case.control is not None,
            "control": self._numbers(differences(call, case.control)),
            "controlExpected": self._numbers(entries(case.control_expected)),
        }

    def _finding(self, found: Finding) -> list[Any]:
        """Return mark, kind, message, seconds, observed, deviation, stage; as few as are needed."""
        result = found.result
        row: list[Any] = [_MARKS.index(found.mark)]
        if result is None:
            return row
        kind = clean(found.kind) if found.kind else ""
        message = clean(found.message[:MESSAGE_LIMIT])
        if len(found.message) > MESSAGE_LIMIT:
            message += f"\n... ({len(found.message) - MESSAGE_LIMIT} more characters)"
        row += [self._texts.number(kind), self._texts.number(message), finite(result.seconds)]
        observed = self._numbers(entries(result.observed))
        deviation = _deviation(result.deviation, changed=found.changed)
        blame = self._stages.blame(found)
        stage = None if blame is None else self._texts.number(clean(str(blame)))
        rest = [observed or None, deviation, stage]
        while rest and rest[-1] is None:
            rest.pop()
        return [*row, *rest]

    def _numbers(self, found: list[Entry]) -> list[int]:
        return [self._entries.number(entry) for entry in found]


def _deviation(deviation: KnownDeviation | None, *, changed: bool) -> dict[str, str] | None:
    if deviation is None:
        return None
    keys = ("category", "cause", "happens", "reason", "version", "conforms_as")
    shown = {key: clean(getattr(deviation, key) or "") for key in keys}
    if changed:
        shown["changed"] = "yes"
    link = web_link(deviation.link)
    return {**shown, "link": link} if link else {**shown, "unlinked": clean(deviation.link or "")}

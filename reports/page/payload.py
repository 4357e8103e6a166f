"""The cases behind a report's matrix, as one compact JSON block for its script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, Generic, TypeVar

from embcheck.conformance.records.lines import CaseLine, KnownDeviation, ResultLine
from embcheck.conformance.suite.features import Feature, shipped_features
from embcheck.reports.families import by_family
from embcheck.reports.marks import LOOKS, Mark
from embcheck.reports.merge import Merged, MergedResult, behaviour_id
from embcheck.reports.page.advice_payload import group_of
from embcheck.reports.page.provisions import operations_of, provision_text
from embcheck.reports.stages import Stages
from embcheck.reports.untrusted import clean, finite, web_link
from embcheck.reports.values import Entry, differences, entries, option_entries

MESSAGE_LIMIT = 20_000
"""Characters of a message that a report shows."""

CUT_MESSAGE_LIMIT = 200
"""Characters of a message that are shown once its backend has used up its share."""

ALL_SHARES = 8 * 2**20
LEAST_SHARE = 2**18
"""Characters of messages and values: of all backends together, and of each one at least."""

IN_RECORD = "(results.jsonl has the values)"
_SECOND = 1000.0
_DEVIATION_KEYS = ("category", "cause", "happens", "reason", "version", "conforms_as")
T = TypeVar("T", bound=Hashable)


class Pool(Generic[T]):
    """A pool that keeps each value once, by number: tables and messages repeat a lot."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, thing: T) -> int:
        """Return the number of a value; add the value if it is new."""
        return self._numbers.setdefault(thing, len(self._numbers))

    def things(self) -> list[T]:
        """Return the values by number."""
        return list(self._numbers)


class Payload:
    """The builder of the script's data; it cleans every text.

    Results are stored in columns. `counts` has the number of results of each case. `backend`,
    `mark`, `detail` and `milliseconds` have a number for each result. Results may share a detail:
    the numbers of the kind, the message, the observations, the deviation (counted from 1, 0 for
    none) and the stage, without zeros at the end. The column `detail` has 0 where a detail occurs
    for the first time, else its number, counted from 1: a column of zeros compresses best.
    """

    def __init__(self, merged: Merged, stages: Stages) -> None:
        self._merged = merged
        self._stages = stages
        self._entries: Pool[Entry] = Pool()
        self._texts: Pool[str] = Pool()
        self._behaviours: Pool[str] = Pool()
        self._details: Pool[tuple[Any, ...]] = Pool()
        self._deviations: Pool[tuple[tuple[str, str], ...]] = Pool()
        # The empty text is 0, which stands for "none" and is left out at the end of rows.
        self._texts.number("")
        # So that one backend's long messages do not take the room of all others.
        self._share = max(LEAST_SHARE, ALL_SHARES // max(1, len(merged.columns)))
        self._used: Counter[str] = Counter()

    def build(self) -> dict[str, Any]:
        """Return plain JSON data."""
        merged = self._merged
        # Cases and columns come first: they fill the pools that are written out below.
        cases = [self._case(case) for case in merged.cases.values()]
        columns = self._columns()
        sentences = {behaviour_id(case.case): case.behaviour for case in merged.cases.values()}
        features = shipped_features().features
        entries = [merged.backends[name] for name in merged.columns]
        place = {entry.id: number for number, entry in enumerate(entries)}
        families = by_family(entries, lambda entry: entry.distinct("library"))
        return {
            "backends": [clean(name) for name in merged.columns],
            "families": [
                [clean(name), [place[entry.id] for entry in family]]
                for name, family in families.items()
            ],
            "provisions": [
                {clean(name): clean(how) for name, how in operations_of(entry).items()}
                for entry in entries
            ],
            "provided": [clean(provision_text(entry)) for entry in entries],
            "features": [
                [feature.name, feature.says, group_of(feature)] for feature in features.values()
            ],
            "marks": [self._mark(mark) for mark in Mark],
            "behaviours": [
                [clean(name), clean(sentences[name])] for name in self._behaviours.things()
            ],
            "clauses": self._clauses(features.values()),
            "cases": cases,
            **columns,
            "details": self._details.things(),
            "deviations": [dict(deviation) for deviation in self._deviations.things()],
            "entries": self._entries.things(),
            "texts": self._texts.things(),
        }

    def _columns(self) -> dict[str, list[Any]]:
        backends = {name: number for number, name in enumerate(self._merged.columns)}
        counts = dict.fromkeys(self._merged.cases, 0)
        backend: list[int] = []
        mark: list[int] = []
        detail: list[int] = []
        milliseconds: list[float | None] = []
        for found in self._merged.findings:
            counts[found.case.case] += 1
            backend.append(backends[found.backend])
            mark.append(found.mark.rank)
            known = len(self._details)
            number = self._details.number(self._detail(found))
            detail.append(0 if number == known else number + 1)
            milliseconds.append(_milliseconds(found.result))
        return {
            "counts": list(counts.values()),
            "backend": backend,
            "mark": mark,
            "detail": detail,
            "milliseconds": milliseconds,
        }

    def _clauses(self, features: Iterable[Feature]) -> dict[str, list[Any]]:
        """Return each clause with the number of the feature that it decides, -1 for none."""
        owner = {
            clause: number for number, feature in enumerate(features) for clause in feature.clauses
        }
        return {
            clean(clause.id): [
                clean(clause.level),
                clean(clause.statement),
                clean(clause.source),
                clean(f"{clause.object}: {clause.parameter}"),
                owner.get(clause.id, -1),
            ]
            for clause in self._merged.clauses.values()
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

    def _detail(self, found: MergedResult) -> tuple[Any, ...]:
        """Return the numbers of a result's detail, without zeros at the end; see the class."""
        result = found.result
        if result is None:
            return (0, 0)
        kind = clean(found.kind) if found.kind else ""
        message = self._message(found)
        observed = self._observed(found.backend, result) if result.observed else 0
        deviation = 0
        if result.deviation is not None:
            shown = _deviation(result.deviation, changed=found.changed)
            deviation = self._deviations.number(shown) + 1
        blame = self._stages.blame(found)
        stage = 0 if blame is None else self._texts.number(clean(str(blame)))
        row = [self._texts.number(kind), message, observed, deviation, stage]
        while len(row) > 2 and not row[-1]:
            row.pop()
        return tuple(row)

    def _message(self, found: MergedResult) -> int:
        """Return the number of a message; cut it short if its backend has used up its share."""
        limit = MESSAGE_LIMIT if self._has_room(found.backend) else CUT_MESSAGE_LIMIT
        message = clean(found.message[:limit])
        if len(found.message) > limit:
            message += f"\n... ({len(found.message) - limit} more characters)"
        return self._counted(self._texts, message, len(message), found.backend)

    def _observed(self, backend: str, result: ResultLine) -> tuple[int, ...]:
        shown = entries(result.observed)
        if not self._has_room(backend):
            shown = [entry._replace(body=IN_RECORD) if entry.body else entry for entry in shown]
        return tuple(
            self._counted(self._entries, entry, len(entry.body), backend) for entry in shown
        )

    def _has_room(self, backend: str) -> bool:
        return self._used[backend] < self._share

    def _counted(self, pool: Pool[T], thing: T, size: int, backend: str) -> int:
        """Return a thing's number in its pool; a new thing counts towards its backend's share."""
        known = len(pool)
        number = pool.number(thing)
        if number == known:
            self._used[backend] += size
        return number

    def _numbers(self, found: list[Entry]) -> list[int]:
        return [self._entries.number(entry) for entry in found]


def _milliseconds(result: ResultLine | None) -> float | None:
    """Return a result's milliseconds, rounded as shown: to three digits, from 1 s on to 10 ms."""
    seconds = finite(result.seconds) if result is not None else None
    if seconds is None:
        return None
    rounded = round(seconds, 2) if abs(seconds) >= 1 else float(f"{seconds:.3g}")
    value = finite(float(f"{rounded * _SECOND:.12g}"))
    # `12` is shorter than `12.0`, and there is a number for each result.
    return int(value) if value is not None and value.is_integer() else value


def _deviation(deviation: KnownDeviation, *, changed: bool) -> tuple[tuple[str, str], ...]:
    shown = {key: clean(getattr(deviation, key) or "") for key in _DEVIATION_KEYS}
    if changed:
        shown["changed"] = "yes"
    link = web_link(deviation.link)
    shown |= {"link": link} if link else {"unlinked": clean(deviation.link or "")}
    return tuple(shown.items())

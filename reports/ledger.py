"""The ledger: what backends do in cases that the documentation leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from embcheck.conformance.records.lines import CaseLine
from embcheck.reports.matrix import link
from embcheck.reports.merge import Merged, MergedResult, behaviour_id, folder_of
from embcheck.reports.readings import (
    OTHER,
    WORDS,
    LedgerWord,
    ShownReading,
    agree,
    reading_of,
    stated,
)
from embcheck.reports.room import with_room
from embcheck.reports.tables import by_category
from embcheck.reports.untrusted import clean
from embcheck.reports.values import Entry, entries

LEDGER_LEVEL = "implementation-defined"
ATLAS_FOLDER = "atlas"
VALUES_SHOWN = 600
"""Characters of an observed array in the ledger; the case itself shows more."""

GLIMPSE = 24
"""The most characters of a value that a cell shows."""


@dataclass(frozen=True)
class LedgerCell:
    """What a backend did; `departs` if PyTorch is known to do something else.

    `glimpse` is the observed value if the reading has no word and the value fits in a cell.
    """

    case: str
    backend: str
    reading: ShownReading
    departs: bool
    message: str
    observed: Mapping[str, Any]
    glimpse: str

    @property
    def values(self) -> tuple[Entry, ...]:
        """What was observed; long values are cut."""
        return tuple(map(_short, entries(self.observed)))

    @property
    def is_told(self) -> bool:
        """Whether there is more to show than its word."""
        return bool(self.message or self.observed)

    @property
    def link(self) -> str:
        """A link to the case."""
        return link(case=self.case, backend=self.backend)


@dataclass(frozen=True)
class LedgerRow:
    """Cases that differ only in their parameters, with the same reading on each backend.

    `differs` unless all backends, and PyTorch by what the case states, do the same.
    """

    clause: str
    statement: str
    title: str
    variants: tuple[str, ...]
    link: str
    pytorch: ShownReading | None
    cells: tuple[LedgerCell, ...]
    differs: bool


@dataclass(frozen=True)
class LedgerGroup:
    """The rows of one spec."""

    behaviour: str
    sentence: str
    rows: tuple[LedgerRow, ...]


@dataclass(frozen=True)
class LedgerTable:
    """Some rows, and the backends that ran them."""

    columns: tuple[str, ...]
    groups: tuple[LedgerGroup, ...]

    def with_room(self) -> LedgerTable:
        """Return what a page has room for; rows on which backends differ are kept first."""
        rows = with_room(self.rows, len(self.columns) + 1, lambda row: row.differs)
        # By identity, since two specs may have equal rows.
        kept = set(map(id, rows))
        groups = (
            replace(group, rows=tuple(row for row in group.rows if id(row) in kept))
            for group in self.groups
        )
        return replace(self, groups=tuple(group for group in groups if group.rows))

    @property
    def rows(self) -> tuple[LedgerRow, ...]:
        """All rows."""
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def differing(self) -> int:
        """The number of rows on which backends differ."""
        return sum(row.differs for row in self.rows)


@dataclass(frozen=True)
class Ledger:
    """All observed cases; `probes` are those that only PyTorch can answer."""

    cases: LedgerTable
    probes: LedgerTable
    categories: Mapping[str, int]
    """The known departures by category: a process must not die in any case."""

    def __bool__(self) -> bool:
        return bool(self.cases.groups or self.probes.groups)

    @property
    def words(self) -> tuple[LedgerWord, ...]:
        """The words that occur."""
        rows = (*self.cases.rows, *self.probes.rows)
        seen = {cell.reading.word for row in rows for cell in row.cells}
        return tuple(word for word in WORDS if word in seen)


@dataclass(frozen=True)
class LedgerCounts:
    """The number of observed cases.

    `stated` counts those that say what PyTorch does, `unlike_pytorch` those of them in which a
    backend did something else.
    """

    observed: int
    stated: int
    unlike_pytorch: int


def ledger(merged: Merged) -> Ledger:
    """Collect the observed cases of some runs."""
    found = _by_case(merged)
    cases = [merged.cases[name] for name in found]
    # Apart, since only PyTorch's backends answer probes: all other columns would be empty.
    probes = [case for case in cases if case.call.get("operation") == "probe"]
    others = [case for case in cases if case.call.get("operation") != "probe"]
    every = [finding for by_backend in found.values() for finding in by_backend.values()]
    return Ledger(_table(others, found, merged), _table(probes, found, merged), by_category(every))


def ledger_counts(merged: Merged) -> LedgerCounts:
    """Count the observed cases, and those in which a backend differs from PyTorch."""
    known, unlike = [], 0
    for name, by_backend in _by_case(merged).items():
        readings = [reading_of(finding) for finding in by_backend.values()]
        pytorch = stated(merged.cases[name], by_backend.values())
        # A case without a known reading was not observed.
        if any(reading.voice is not None for reading in readings):
            known.append(pytorch)
            unlike += any(_departs(reading, pytorch) for reading in readings)
    return LedgerCounts(len(known), sum(one is not None for one in known), unlike)


def is_atlas(case: CaseLine) -> bool:
    """Whether a case is one of the atlas."""
    return folder_of(behaviour_id(case.case)) == ATLAS_FOLDER


def base_id(case: str) -> str:
    """Return a case's id without the values of its matrix."""
    return case.split("[", 1)[0]


def parameters_text(case: CaseLine) -> str:
    """Return the current values of a case's matrix."""
    return ", ".join(f"{clean(name)}={clean(value)}" for name, value in case.parameters.items())


def _by_case(merged: Merged) -> dict[str, dict[str, MergedResult]]:
    found: dict[str, dict[str, MergedResult]] = {}
    for finding in merged.findings:
        if finding.case.level == LEDGER_LEVEL and not is_atlas(finding.case):
            found.setdefault(finding.case.case, {})[finding.backend] = finding
    return found


def _table(
    cases: list[CaseLine], found: Mapping[str, Mapping[str, MergedResult]], merged: Merged
) -> LedgerTable:
    asked = {backend for case in cases for backend in found[case.case]}
    columns = tuple(name for name in merged.columns if name in asked)
    groups = tuple(
        LedgerGroup(name, str(grouped[0].behaviour), tuple(_rows(grouped, found, columns, merged)))
        for name, grouped in _grouped(cases)
    )
    return LedgerTable(columns, groups)


def _grouped(cases: Iterable[CaseLine]) -> Iterable[tuple[str, list[CaseLine]]]:
    # Cases of a record come sorted by spec, as `groupby` needs them.
    for name, group in groupby(cases, key=lambda case: behaviour_id(case.case)):
        yield name, sorted(group, key=_first_clause)


def _rows(
    cases: list[CaseLine],
    found: Mapping[str, Mapping[str, MergedResult]],
    columns: tuple[str, ...],
    merged: Merged,
) -> Iterable[LedgerRow]:
    """Make rows; cases that differ only in parameters and have the same readings share a row."""
    alike: dict[tuple[object, ...], list[CaseLine]] = {}
    for case in cases:
        voices = tuple(
            (reading.voice, reading.text)
            for reading in (reading_of(found[case.case].get(name)) for name in columns)
        )
        alike.setdefault((base_id(case.case), case.pytorch, *voices), []).append(case)
    for variants in alike.values():
        yield _row(variants, found[variants[0].case], columns, merged)


def _row(
    variants: list[CaseLine],
    found: Mapping[str, MergedResult],
    columns: tuple[str, ...],
    merged: Merged,
) -> LedgerRow:
    first = variants[0]
    pytorch = stated(first, found.values())
    cells = tuple(_cell(first, name, found.get(name), pytorch) for name in columns)
    voices = {cell.reading.voice for cell in cells if cell.reading.voice is not None}
    clause = _first_clause(first)
    known = merged.clauses.get(clause)
    return LedgerRow(
        clause=clause,
        statement=str(known.statement) if known else "",
        title=str(first.title),
        variants=tuple(filter(None, map(parameters_text, variants))),
        link=link(case=first.case),
        pytorch=pytorch,
        cells=cells,
        differs=len(voices) > 1 or any(cell.departs for cell in cells),
    )


def _cell(
    case: CaseLine, backend: str, finding: MergedResult | None, pytorch: ShownReading | None
) -> LedgerCell:
    reading = reading_of(finding)
    observed = finding.result.observed if finding is not None and finding.result else {}
    # A word says more than values: a cell shows values only if the reading has no word.
    glimpse = _glimpse(entries(observed)) if reading.word.name == OTHER else ""
    return LedgerCell(
        case.case,
        backend,
        reading,
        _departs(reading, pytorch),
        finding.message if finding is not None else "",
        observed if isinstance(observed, Mapping) else {},
        glimpse,
    )


def _departs(reading: ShownReading, pytorch: ShownReading | None) -> bool:
    return pytorch is not None and reading.voice is not None and not agree(reading, pytorch)


def _short(entry: Entry) -> Entry:
    body = entry.body
    return entry if len(body) <= VALUES_SHOWN else entry._replace(body=body[:VALUES_SHOWN] + " ...")


def _glimpse(values: list[Entry]) -> str:
    text = " ".join(values[0].body.split()) if values else ""
    return text if len(text) <= GLIMPSE else ""


def _first_clause(case: CaseLine) -> str:
    return str(next(iter(case.clauses), ""))

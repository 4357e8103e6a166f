"""The matrix of a report: behaviours down, backends across, marks in the cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from embcheck.reports.marks import LOOKS, Appearance, Mark
from embcheck.reports.merge import Merged, behaviour_id, folder_of
from embcheck.reports.untrusted import clean


@dataclass(frozen=True)
class Chip:
    """The count of a mark."""

    mark: Mark
    count: int

    @property
    def look(self) -> Appearance:
        """How the mark is shown."""
        return LOOKS[self.mark]


@dataclass(frozen=True)
class Cell:
    """The cases of a behaviour on a backend, the worst mark first."""

    backend: str
    chips: tuple[Chip, ...]
    link: str

    @property
    def worst(self) -> Mark:
        """The mark that gives the cell its colour."""
        return self.chips[0].mark if self.chips else Mark.NOT_RUN

    @property
    def spoken(self) -> str:
        """The cell in words, for screen readers."""
        counts = ", ".join(f"{chip.count} {chip.look.short}" for chip in self.chips)
        return f"{self.backend}: {counts or 'nothing run'}"


@dataclass(frozen=True)
class Row:
    """One behaviour."""

    behaviour: str
    sentence: str
    link: str
    cells: tuple[Cell, ...]

    @property
    def departs(self) -> bool:
        """Whether a backend departs from it."""
        return any(cell.worst.departs for cell in self.cells)

    @property
    def file(self) -> str:
        """The name of the spec file within its folder."""
        return self.behaviour.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Folder:
    """The behaviours of one folder of specs."""

    name: str
    rows: tuple[Row, ...]


def matrix(merged: Merged) -> tuple[Folder, ...]:
    """Count the marks of each behaviour on each backend, grouped by folder."""
    return by_folder(matrix_rows(merged))


def matrix_rows(merged: Merged) -> list[Row]:
    """Count the marks of each behaviour on each backend."""
    sentences: dict[str, str] = {}
    for case in merged.cases.values():
        sentences.setdefault(behaviour_id(case.case), str(case.behaviour))
    counts = Counter(
        (behaviour_id(finding.case.case), finding.backend, finding.mark)
        for finding in merged.findings
    )
    behaviours = dict.fromkeys(behaviour for behaviour, _, _ in counts)
    return [
        Row(
            name,
            sentences[name],
            link(behaviour=name),
            tuple(_cell(name, backend, counts) for backend in merged.columns),
        )
        for name in behaviours
    ]


def by_folder(rows: Iterable[Row]) -> tuple[Folder, ...]:
    """Group behaviours by the folder of their specs."""
    folders: dict[str, list[Row]] = {}
    for row in rows:
        folders.setdefault(folder_of(row.behaviour), []).append(row)
    return tuple(Folder(name, tuple(found)) for name, found in folders.items())


def totals(merged: Merged) -> tuple[Chip, ...]:
    """Count every mark over the whole report, including marks that count 0."""
    counts = Counter(finding.mark for finding in merged.findings)
    return tuple(Chip(mark, counts[mark]) for mark in Mark)


def link(**parts: str) -> str:
    """Return a link within the report that opens a case or a behaviour, on one backend or all."""
    return "#" + urlencode({key: clean(part) for key, part in parts.items()})


def _cell(behaviour: str, backend: str, counts: Mapping[tuple[str, str, Mark], int]) -> Cell:
    found = ((mark, counts.get((behaviour, backend, mark), 0)) for mark in Mark)
    chips = tuple(Chip(mark, count) for mark, count in found if count)
    return Cell(backend, chips, link(behaviour=behaviour, backend=backend))

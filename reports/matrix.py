"""The matrix of a report: behaviours down, backends across, marks in the cells."""

from __future__ import annotations

from collections import Counter
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
    counts: dict[str, dict[str, Counter[Mark]]] = {}
    sentences: dict[str, str] = {}
    for finding in merged.findings:
        behaviour = behaviour_id(finding.case.case)
        sentences.setdefault(behaviour, str(finding.case.behaviour))
        cells = counts.setdefault(behaviour, {})
        cells.setdefault(finding.backend, Counter())[finding.mark] += 1
    folders: dict[str, list[Row]] = {}
    for behaviour, cells in counts.items():
        row = Row(
            behaviour,
            sentences[behaviour],
            link(behaviour=behaviour),
            tuple(_cell(behaviour, name, cells.get(name, Counter())) for name in merged.columns),
        )
        folders.setdefault(folder_of(behaviour), []).append(row)
    return tuple(Folder(name, tuple(rows)) for name, rows in folders.items())


def totals(merged: Merged) -> tuple[Chip, ...]:
    """Count every mark over the whole report, including marks that count 0."""
    counts = Counter(finding.mark for finding in merged.findings)
    return tuple(Chip(mark, counts[mark]) for mark in Mark)


def link(**parts: str) -> str:
    """Return a link within the report that opens a case or a behaviour, on one backend or all."""
    return "#" + urlencode({key: clean(part) for key, part in parts.items()})


def _cell(behaviour: str, backend: str, counts: Counter[Mark]) -> Cell:
    chips = tuple(Chip(mark, counts[mark]) for mark in Mark if counts[mark])
    return Cell(backend, chips, link(behaviour=behaviour, backend=backend))

"""The legend of a report's matrix, and links within the report.

The matrix itself is made by `templates/matrix.js` from the data of the cases.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlencode

from embcheck.reports.marks import LOOKS, Appearance, Mark
from embcheck.reports.merge import Merged
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


def totals(merged: Merged) -> tuple[Chip, ...]:
    """Count every mark over the whole report, including marks that count 0."""
    counts = Counter(finding.mark for finding in merged.findings)
    return tuple(Chip(mark, counts[mark]) for mark in Mark)


def link(**parts: str) -> str:
    """Return a link within the report that opens a case or a behaviour, on one backend or all."""
    return "#" + urlencode({key: clean(part) for key, part in parts.items()})

"""The most important departures, grouped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from embcheck.conformance.execution.judging.causes import Category
from embcheck.reports.marks import Mark
from embcheck.reports.merge import Merged, MergedResult, behaviour_id
from embcheck.reports.stages import Stages, tally


class Standing(StrEnum):
    """Whether a known deviation explains departures; unexplained ones come first."""

    NEW = "new"
    CHANGED = "changed"
    KNOWN = "known"


@dataclass(frozen=True)
class Departure:
    """All cases of a behaviour that depart on a backend in the same way."""

    standing: Standing
    mark: Mark
    category: str
    """The category of the known deviation; empty if there is none."""
    behaviour: str
    sentence: str
    backend: str
    kinds: tuple[str, ...]
    count: int
    example: str
    blame: str
    """The stages that show them first; empty if the backend is not made from another one."""

    @property
    def kind(self) -> str:
        """All kinds of failure, the most frequent first."""
        return ", ".join(self.kinds)

    @property
    def main_kind(self) -> str:
        """The most frequent kind, with three dots if there are others."""
        return f"{self.kinds[0]} ..." if len(self.kinds) > 1 else self.kind


def departures(merged: Merged) -> list[Departure]:
    """Group departures; sort by unexplained first, silent first, category, and count."""
    groups: dict[tuple[Standing, Mark, str, str, str], list[MergedResult]] = {}
    for finding in merged.findings:
        if finding.mark.departs:
            where = (behaviour_id(finding.case.case), finding.backend)
            key = (_standing(finding), finding.mark, finding.category, *where)
            groups.setdefault(key, []).append(finding)
    stages = Stages(merged)
    found = [_departure(*key, group, stages) for key, group in groups.items()]
    order, owners = list(Standing), [*map(str, Category), ""]
    return sorted(
        found,
        key=lambda g: (
            order.index(g.standing),
            g.mark.rank,
            owners.index(g.category),
            -g.count,
        ),
    )


def _standing(finding: MergedResult) -> Standing:
    if finding.known:
        return Standing.KNOWN
    return Standing.CHANGED if finding.changed else Standing.NEW


def _departure(
    standing: Standing,
    mark: Mark,
    category: str,
    behaviour: str,
    backend: str,
    group: list[MergedResult],
    stages: Stages,
) -> Departure:
    # A crash has the mark's own name as its kind, which the heading says already.
    kinds = Counter(finding.kind for finding in group if finding.kind != mark)
    return Departure(
        standing,
        mark,
        category,
        behaviour,
        group[0].case.behaviour,
        backend,
        tuple(kind for kind, _ in kinds.most_common()),
        len(group),
        group[0].message,
        tally(stages, group),
    )

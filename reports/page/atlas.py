"""The atlas of bad indices: what each backend does with an index out of range."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeVar

from embcheck.conformance.records.lines import CaseLine
from embcheck.reports.ledger import base_id, is_atlas
from embcheck.reports.matrix import link
from embcheck.reports.merge import Merged, MergedResult
from embcheck.reports.readings import WORDS, LedgerWord, ShownReading, reading_of
from embcheck.reports.room import with_room
from embcheck.reports.untrusted import clean

PLACE = "place"
"""The parameter of an atlas case that names the place of its index."""

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """The place of an index, and the index itself if it is the same for all cases."""

    name: str
    index: str


@dataclass(frozen=True)
class AtlasReading:
    """A reading, and the dtypes or modes that have it: `variants` is empty if all have it."""

    reading: ShownReading
    variants: str
    message: str
    case: str
    link: str


@dataclass(frozen=True)
class AtlasRow:
    """One operation on one backend: the readings at each place."""

    backend: str
    cells: tuple[tuple[AtlasReading, ...], ...]


@dataclass(frozen=True)
class AtlasGroup:
    """One operation: a case of a spec of the atlas, on every backend."""

    name: str
    title: str
    rows: tuple[AtlasRow, ...]


@dataclass(frozen=True)
class Atlas:
    """The whole atlas, with the words that occur in it."""

    places: tuple[Place, ...]
    groups: tuple[AtlasGroup, ...]
    words: tuple[LedgerWord, ...]

    @property
    def size(self) -> int:
        """The number of rows."""
        return sum(len(group.rows) for group in self.groups)

    def with_room(self) -> Atlas:
        """Return the part of the atlas that a page has room for."""
        # By identity, since rows of two operations may be equal.
        rows = [row for group in self.groups for row in group.rows]
        kept = set(map(id, with_room(rows, len(self.places), lambda _: False)))
        groups = (
            replace(group, rows=tuple(row for row in group.rows if id(row) in kept))
            for group in self.groups
        )
        return replace(self, groups=tuple(group for group in groups if group.rows))

    def __bool__(self) -> bool:
        return bool(self.groups)


def atlas(merged: Merged) -> Atlas:
    """Pivot the cases of the atlas: operations and backends down, places of the index across."""
    findings = [found for found in merged.findings if is_atlas(found.case)]
    cases = {found.case.case: found.case for found in findings}
    by_place = _grouped(cases.values(), _place)
    by_name = _grouped(findings, lambda found: base_id(found.case.case))
    groups = (_group(name, group, merged.columns, by_place) for name, group in by_name.items())
    seen = {reading_of(found).word for found in findings}
    return Atlas(
        tuple(Place(name, _index(group)) for name, group in by_place.items()),
        tuple(groups),
        tuple(word for word in WORDS if word in seen),
    )


def _grouped(things: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Group things by a key; groups stand in the order of their first things."""
    groups: dict[str, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups


def _group(
    name: str, findings: list[MergedResult], columns: tuple[str, ...], places: Iterable[str]
) -> AtlasGroup:
    own = _grouped(findings, lambda found: found.backend)
    rows = []
    for backend in (name for name in columns if name in own):
        by_place = _grouped(own[backend], lambda found: _place(found.case))
        cells = tuple(_cell(by_place.get(place, [])) for place in places)
        rows.append(AtlasRow(backend, cells))
    return AtlasGroup(clean(name.rsplit("/", 1)[-1]), str(findings[0].case.title), tuple(rows))


def _cell(findings: list[MergedResult]) -> tuple[AtlasReading, ...]:
    """Group cases by reading, and name their variants if the readings differ."""
    alike: dict[str, list[MergedResult]] = {}
    for finding in findings:
        alike.setdefault(reading_of(finding).text, []).append(finding)
    everything = [_variant(finding.case) for finding in findings]
    return tuple(
        AtlasReading(
            reading_of(group[0]),
            _variants([_variant(finding.case) for finding in group], everything),
            group[0].message,
            group[0].case.case,
            link(case=group[0].case.case, backend=group[0].backend),
        )
        for group in alike.values()
    )


def _place(case: CaseLine) -> str:
    # A user's own case in a folder of this name may lack the parameter.
    return clean(case.parameters.get(PLACE) or base_id(case.case))


def _variant(case: CaseLine) -> dict[str, str]:
    return {clean(key): clean(value) for key, value in case.parameters.items() if key != PLACE}


def _variants(some: list[dict[str, str]], everything: list[dict[str, str]]) -> str:
    """Name some variants by the parameters that distinguish them, else one by one."""
    names = dict.fromkeys(name for variant in everything for name in variant)
    apart = {
        name: values
        for name in names
        if (values := _values(name, some)) != _values(name, everything)
    }
    # `int32, mean` says enough only if all other parameters occur with each of these values.
    rest = {tuple((k, v) for k, v in one.items() if k not in apart) for one in everything}
    if prod(map(len, apart.values())) * len(rest) == len(some):
        return ", ".join(" ".join(values) for values in apart.values())
    return "; ".join(" ".join(variant.values()) for variant in some)


def _values(name: str, variants: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(variant[name] for variant in variants if name in variant))


def _index(cases: list[CaseLine]) -> str:
    """Return the only index of some cases; empty if there are several."""
    found = {str(_single(case.call.get("inputs", {}).get("indices", {}))) for case in cases}
    return clean(found.pop()) if len(found) == 1 and "None" not in found else ""


def _single(described: Mapping[str, Any]) -> Any:
    values = described.get("values")
    while isinstance(values, list):
        values = values[0] if len(values) == 1 else None
    return values

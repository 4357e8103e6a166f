"""The atlas of bad indices: what each backend does with an index out of range."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from embcheck.conformance.records.lines import CaseLine
from embcheck.reports.ledger import ATLAS_FOLDER, base_id
from embcheck.reports.matrix import link
from embcheck.reports.merge import Finding, Merged, behaviour_id, folder_of
from embcheck.reports.readings import WORDS, Reading, Word, reading_of
from embcheck.reports.untrusted import clean

PLACE = "place"
"""The parameter of an atlas case that names the place of its index."""


@dataclass(frozen=True)
class Place:
    """The place of an index, and the index itself if it is the same for all cases."""

    name: str
    index: str


@dataclass(frozen=True)
class AtlasReading:
    """A reading, and the dtypes or modes that have it; empty if all have it."""

    reading: Reading
    variants: str
    message: str
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
    words: tuple[Word, ...]

    def __bool__(self) -> bool:
        return bool(self.groups)


def atlas(merged: Merged) -> Atlas:
    """Pivot the cases of the atlas: operations and backends down, places of the index across."""
    findings = [found for found in merged.findings if _is_atlas(found.case)]
    cases = [found.case for found in findings]
    places = tuple(dict.fromkeys(map(_place, cases)))
    by_name: dict[str, list[Finding]] = {}
    for found in findings:
        by_name.setdefault(base_id(found.case.case), []).append(found)
    groups = tuple(_group(name, group, merged.columns, places) for name, group in by_name.items())
    seen = {reading_of(found).word for found in findings}
    return Atlas(
        tuple(Place(name, _index([c for c in cases if _place(c) == name])) for name in places),
        groups,
        tuple(word for word in WORDS if word in seen),
    )


def _is_atlas(case: CaseLine) -> bool:
    return folder_of(behaviour_id(case.case)) == ATLAS_FOLDER


def _group(
    name: str, findings: list[Finding], columns: tuple[str, ...], places: tuple[str, ...]
) -> AtlasGroup:
    rows = tuple(
        _row(backend, own, places)
        for backend in columns
        if (own := [finding for finding in findings if finding.backend == backend])
    )
    return AtlasGroup(clean(name.rsplit("/", 1)[-1]), str(findings[0].case.title), rows)


def _row(backend: str, findings: list[Finding], places: tuple[str, ...]) -> AtlasRow:
    by_place = ([found for found in findings if _place(found.case) == place] for place in places)
    return AtlasRow(backend, tuple(_cell(found) for found in by_place))


def _cell(findings: list[Finding]) -> tuple[AtlasReading, ...]:
    """Group cases by reading, and name their variants if the readings differ."""
    alike: dict[str, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(reading_of(finding).text, []).append(finding)
    everything = [_variant(finding.case) for finding in findings]
    return tuple(
        AtlasReading(
            reading_of(group[0]),
            _variants([_variant(finding.case) for finding in group], everything),
            group[0].message,
            link(case=group[0].case.case, backend=group[0].backend),
        )
        for group in alike.values()
    )


def _place(case: CaseLine) -> str:
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
    if prod(map(len, apart.values())) * _others(apart, everything) == len(some):
        return ", ".join(" ".join(values) for values in apart.values())
    return "; ".join(" ".join(variant.values()) for variant in some)


def _others(apart: Collection[str], variants: list[dict[str, str]]) -> int:
    """Return how many variants there are apart from some of their parameters."""
    rest = {tuple((k, v) for k, v in one.items() if k not in apart) for one in variants}
    return len(rest)


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

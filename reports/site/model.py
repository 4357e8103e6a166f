"""What a site shows: for each backend its runs, its answers, and its known deviations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embcheck.reports.compat import Column, Compat
from embcheck.reports.tables import BackendScore


@dataclass(frozen=True)
class ExplainedDepartures:
    """Departures that share a known deviation: how they fail, how many, and a case that shows it.

    Departures that no deviation explains have an empty `category` and `reason`.
    """

    category: str
    happens: str
    reason: str
    link: str
    instead: str
    count: int
    example: str


@dataclass(frozen=True)
class SitePoint:
    """The results of one backend in one record.

    `answers` has its answer for each feature, by the suite of that run. `cases` has a digest of the
    cases that decided each feature; two points are compared only where it is the same. `part` is
    the selection of cases, empty for the whole suite. `described` has what the adapter declares,
    apart from library and version, and the environment that it ran in.
    """

    record: str
    day: str
    started: str
    embcheck: str
    answers: Column
    cases: Mapping[str, str]
    score: BackendScore
    part: str = ""
    described: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version of the library."""
        return self.answers.version

    @property
    def suite(self) -> str:
        """The hash of the suite that was run."""
        return self.answers.suite


@dataclass(frozen=True)
class SiteBackend:
    """A backend: its points, oldest version first, and the point that its answers are from.

    `deviations` are those of that point.
    """

    id: str
    points: tuple[SitePoint, ...]
    shown: SitePoint
    deviations: tuple[ExplainedDepartures, ...]


@dataclass(frozen=True)
class Listed:
    """A record in the list of runs: when its runs began, by which embcheck, on which backends."""

    id: str
    day: str
    embcheck: str
    suites: tuple[str, ...]
    backends: tuple[str, ...]
    parts: Mapping[str, str]
    timings: int


@dataclass(frozen=True)
class Site:
    """All data of a site; `data` has what each backend supports, from its shown point."""

    data: Compat
    backends: Mapping[str, SiteBackend]
    records: tuple[Listed, ...]

"""Gather what a site shows, record by record; of each record, only what is shown is kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256

from packaging.version import InvalidVersion, Version

from embcheck.conformance.records.lines import CaseLine
from embcheck.conformance.suite.features import shipped_features
from embcheck.reports.answers.compat_joined import join, with_versions
from embcheck.reports.answers.compat_made import asked_wholly, compat_of
from embcheck.reports.answers.deciding import deciding_of
from embcheck.reports.answers.support import Decision, decide
from embcheck.reports.compat import Column, Compat, Supported
from embcheck.reports.merge import Merged, MergedResult, merge
from embcheck.reports.site.model import ExplainedDepartures, Listed, Site, SiteBackend, SitePoint
from embcheck.reports.site.records import SiteRecord
from embcheck.reports.tables import BackendScore, score_table
from embcheck.reports.untrusted import one_line

_TOLD_APART = ("id", "library", "version", "import_seconds", "unavailable")
"""Keys of a description that are shown elsewhere, or that differ from run to run."""


class Gathering:
    """The data of a site; records are added one by one, the oldest first."""

    def __init__(self) -> None:
        self._features = shipped_features()
        self._data: Compat | None = None
        self._points: dict[str, list[SitePoint]] = {}
        self._shown: dict[str, SitePoint] = {}
        self._deviations: dict[str, tuple[ExplainedDepartures, ...]] = {}
        self._records: list[Listed] = []

    def add(self, record: SiteRecord) -> None:
        """Add a record."""
        merged = record.merged
        new, wholly = compat_of(merged), asked_wholly(merged)
        points = self._points_of(record, new, wholly)
        # Records come by date, but a newer one may be of an older version of the library.
        chosen = {name for name, point in points.items() if self._is_newest(point)}
        self._data = new if self._data is None else join(new, self._data, chosen).data
        for name, point in points.items():
            self._points.setdefault(name, []).append(point)
            if name in chosen:
                self._shown[name] = point
                self._deviations[name] = _explained(merged.of_backend(name))
        self._records.append(_listed(record))

    def site(self) -> Site:
        """Return what was gathered."""
        data = self._data or compat_of(merge(()))
        backends = {
            name: SiteBackend(
                name, tuple(sorted(points, key=_place)), self._shown[name], self._deviations[name]
            )
            for name, points in sorted(self._points.items())
        }
        return Site(_with_history(data, backends.values()), backends, tuple(self._records))

    def _is_newest(self, point: SitePoint) -> bool:
        """Whether a point's answers replace those shown: of a newer version, or run later.

        A part of the suite never replaces the whole.
        """
        shown = self._shown.get(point.answers.id)
        return shown is None or (not point.part, _place(point)) >= (not shown.part, _place(shown))

    def _points_of(
        self, record: SiteRecord, new: Compat, wholly: frozenset[str]
    ) -> dict[str, SitePoint]:
        merged = record.merged
        scores = {score.backend: score for score in score_table(merged)}
        cases = self._cases_of(merged)
        # The installed suite may have cases that an older run did not have. They would make its
        # features unknown, so an older run is decided by its own cases.
        is_other = any(new.backends[name].suite != new.suite for name in wholly)
        own = decide(merged, self._features.features, (), self._features.uses) if is_other else {}
        found = {}
        for name, column in new.backends.items():
            answers = {
                feature: Supported(answer.support, answer.how, answer.says)
                for feature, answer in column.features.items()
            }
            if name in wholly and column.suite != new.suite:
                answers = {feature: _plain(told) for feature, told in own[name].items()}
            kept = replace(column, features=answers)
            found[name] = _point(record, kept, cases.get(name, {}), scores[name])
        return found

    def _cases_of(self, merged: Merged) -> dict[str, dict[str, str]]:
        """Return a digest of the cases that decide each feature, by backend."""
        deciding = deciding_of(merged.cases, self._features.features)
        told = {name: f"{name} {_fingerprint(case)}" for name, case in merged.cases.items()}
        named: dict[str, dict[str, list[str]]] = {}
        for finding in merged.findings:
            # Observed cases decide nothing, so a change of one does not change the question.
            if finding.group != "none":
                by_feature = named.setdefault(finding.backend, {})
                for feature in deciding[finding.case.case]:
                    by_feature.setdefault(feature, []).append(told[finding.case.case])
        return {
            backend: {feature: _digest(found) for feature, found in by_feature.items()}
            for backend, by_feature in named.items()
        }


def _fingerprint(case: CaseLine) -> str:
    """Return a digest of all that a case is judged by; in older records, of what they show."""
    if case.fingerprint:
        return case.fingerprint
    shown = (case.clauses, case.level, case.call, case.expected, case.control, case.steps)
    return _digest([json.dumps(part, sort_keys=True) for part in shown])


def _point(
    record: SiteRecord, column: Column, cases: Mapping[str, str], score: BackendScore
) -> SitePoint:
    merged = record.merged
    *_, run = (
        run
        for run in merged.runs
        if run.header.purpose == "conformance"
        and any(info.get("id") == column.id for info in run.header.backends)
    )
    info = next(info for info in run.header.backends if info.get("id") == column.id)
    described = {key: value for key, value in info.items() if key not in _TOLD_APART}
    return SitePoint(
        record.id,
        column.date,
        run.header.started,
        one_line(run.header.embcheck, 80),
        column,
        cases,
        score,
        one_line(merged.parts.get(column.id, "")),
        {**described, **run.header.environment},
    )


def _plain(told: Decision) -> Supported:
    return Supported(str(told.support), str(told.how) if told.how else None, one_line(told.says))


def _digest(told: Iterable[str]) -> str:
    return sha256(json.dumps(sorted(told)).encode()).hexdigest()[:16]


def _explained(findings: Iterable[MergedResult]) -> tuple[ExplainedDepartures, ...]:
    """Group departures by the known deviation that explains them; the unexplained stand first."""
    groups: Counter[tuple[str, str, str, str, str]] = Counter()
    examples: dict[tuple[str, str, str, str, str], str] = {}
    for finding in findings:
        if not finding.mark.departs:
            continue
        known = finding.result.deviation if finding.known and finding.result else None
        key = (
            finding.category,
            finding.kind,
            known.reason if known else "",
            (known.link or "") if known else "",
            known.conforms_as if known else "",
        )
        groups[key] += 1
        examples.setdefault(key, finding.case.case)
    # Finally by key: the same records must give the same bytes.
    order = sorted(groups, key=lambda key: (bool(key[2]), -groups[key], key))
    return tuple(ExplainedDepartures(*key, groups[key], examples[key]) for key in order)


def _listed(record: SiteRecord) -> Listed:
    merged = record.merged
    headers = [run.header for run in merged.runs]
    return Listed(
        record.id,
        one_line(headers[-1].started[:10], 10),
        ", ".join(dict.fromkeys(one_line(header.embcheck, 80) for header in headers)),
        tuple(dict.fromkeys(one_line(header.suite, 80) for header in headers)),
        merged.columns,
        merged.parts,
        len(merged.measurements),
    )


def _place(point: SitePoint) -> tuple[bool, Version, str, str, str]:
    """Return a sort key: by version, then by time; invalid versions come first."""
    try:
        version, is_version = Version(point.version), True
    except InvalidVersion:
        # Some libraries give a commit or a build instead of a version, which cannot be ordered.
        version, is_version = Version("0"), False
    return is_version, version, point.version, point.started, point.record


def _with_history(data: Compat, backends: Iterable[SiteBackend]) -> Compat:
    """Add since which version answers hold, from whole runs of the suite that decided them."""
    runs = [
        point.answers
        for backend in backends
        if not backend.shown.part
        for point in backend.points
        # Answers of two suites cannot be compared: a history has only the suite of the shown
        # point.
        if not point.part and point.suite == backend.shown.suite and _place(point)[0]
    ]
    return with_versions(data, runs)

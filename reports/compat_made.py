"""Make data on compatibility from finished runs."""

from __future__ import annotations

from collections.abc import Mapping

from embcheck.conformance.suite.features import shipped_features
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files
from embcheck.reports.compat import Column, Compat, Supported, Use
from embcheck.reports.merge import Merged
from embcheck.reports.support import Decision, decide
from embcheck.reports.untrusted import one_line

SAYS_LIMIT = 200
REASON_LIMIT = 600


def compat_of(merged: Merged) -> Compat:
    """Decide every shipped feature by merged runs of the shipped suite."""
    shipped, clauses = shipped_features(), shipped_clauses()
    features = shipped.features
    cases = [case for path in spec_files() for case in load_spec(path).cases]
    decided = decide(merged, features, cases)
    suites = {run.header.suite for run in merged.runs if run.header.purpose == "conformance"}
    return Compat(
        ", ".join(sorted(suites)),
        {name: feature.says for name, feature in features.items()},
        {name: feature.digest(clauses) for name, feature in features.items()},
        {
            name: Use(profile.says, profile.needs, profile.refused)
            for name, profile in shipped.profiles.items()
        },
        {backend: _column(merged, backend, found) for backend, found in decided.items()},
    )


def stale(compat: Compat) -> list[str]:
    """Name the shipped features that the data lacks, or decided by other clauses."""
    clauses = shipped_clauses()
    return [
        name
        for name, feature in shipped_features().features.items()
        if compat.digests.get(name) != feature.digest(clauses)
    ]


def _column(merged: Merged, backend: str, found: Mapping[str, Decision]) -> Column:
    entry = merged.backends[backend]
    latest = {key: one_line(str(entry.latest.get(key, "")), 80) for key in ("library", "version")}
    dates = [
        run.header.started[:10]
        for run in merged.runs
        if any(info.get("id") == backend for info in run.header.backends)
    ]
    return Column(
        backend,
        latest["library"],
        latest["version"],
        one_line(str(entry.latest.get("device", "")), 80),
        max(dates, default=""),
        {name: _supported(decision) for name, decision in found.items()},
    )


def _supported(decision: Decision) -> Supported:
    return Supported(
        str(decision.support),
        str(decision.how) if decision.how else None,
        one_line(decision.says, SAYS_LIMIT),
        one_line(decision.example, SAYS_LIMIT),
        one_line(decision.reason, REASON_LIMIT),
        one_line(decision.link, SAYS_LIMIT),
        one_line(decision.instead, SAYS_LIMIT),
        {
            dtype: Supported(str(part.support), str(part.how) if part.how else None)
            for dtype, part in decision.dtypes.items()
        },
        decision.apart,
    )

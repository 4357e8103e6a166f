"""Make data on compatibility from finished runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from embcheck.conformance.records.describe import case_line
from embcheck.conformance.suite.features import Feature, shipped_features
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files
from embcheck.conformance.suite.model import Case, Level
from embcheck.reports.compat import Column, Compat, Supported, Use
from embcheck.reports.contexts import Words, letters, packed, size_word, table_of, words_of
from embcheck.reports.merge import Merged
from embcheck.reports.support import (
    Decision,
    Decisions,
    Support,
    by_feature_of,
    decide,
    deciding_of,
    is_asked,
)
from embcheck.reports.untrusted import one_line

SAYS_LIMIT = 200
REASON_LIMIT = 600


def compat_of(merged: Merged) -> Compat:
    """Decide every shipped feature by merged runs of the shipped suite."""
    shipped, clauses = shipped_features(), shipped_clauses()
    features = shipped.features
    cases = [case for path in spec_files() for case in load_spec(path).cases]
    decided = decide(merged, features, cases)
    contexts, by_backend = _contexts(merged, features, cases, decided)
    suites = {run.header.suite for run in merged.runs if run.header.purpose == "conformance"}
    return Compat(
        ", ".join(sorted(suites)),
        {name: feature.says for name, feature in features.items()},
        {name: feature.digest(clauses) for name, feature in features.items()},
        {
            name: Use(profile.says, profile.needs, profile.refused)
            for name, profile in shipped.profiles.items()
        },
        {
            backend: _column(merged, backend, found, by_backend[backend])
            for backend, found in decided.items()
        },
        {
            **shipped.uses,
            **{size_word(each): (name,) for name, each in features.items() if each.beyond},
        },
        contexts,
    )


def _contexts(
    merged: Merged, features: Mapping[str, Feature], planned: Iterable[Case], decided: Decisions
) -> tuple[dict[str, tuple[Words, ...]], dict[str, dict[str, str]]]:
    """Return the contexts of each feature, and each backend's letters for them, by feature."""
    scored = [
        case
        for case in planned
        if case.level is not Level.IMPLEMENTATION_DEFINED and not case.large
    ]
    lines = {case.id: case_line(case, "") for case in scored}
    lines |= {name: line for name, line in merged.cases.items() if name not in lines}
    deciding = deciding_of(merged, features, scored)
    calls = {case.id: [spec.describe() for spec in case.asked] for case in scored}
    words = {
        name: frozenset().union(
            *(
                words_of(replace(line, call=call), features.values())
                for call in calls.get(name, [line.call])
            )
        )
        for name, line in lines.items()
        if deciding[name]
    }
    contexts = table_of(words, deciding)
    found: dict[str, dict[str, str]] = {}
    for backend, decisions in decided.items():
        by_feature = by_feature_of(merged, backend, deciding)
        operations = merged.backends[backend].latest.get("operations", ())
        without: dict[str, list[str]] = {}
        for case in scored:
            if case.id not in by_feature.seen and is_asked(case, operations):
                for name in deciding[case.id]:
                    without.setdefault(name, []).append(case.id)
        found[backend] = {
            name: packed(
                letters(
                    contexts[name],
                    by_feature.findings.get(name, ()),
                    words,
                    without.get(name, ()),
                    decision.instead,
                )
            )
            for name, decision in decisions.items()
            if name in contexts and decision.support not in (Support.YES, Support.UNKNOWN)
        }
    return contexts, found


def stale(compat: Compat) -> list[str]:
    """Name the shipped features that the data lacks, or decided by other clauses."""
    clauses = shipped_clauses()
    return [
        name
        for name, feature in shipped_features().features.items()
        if compat.digests.get(name) != feature.digest(clauses)
    ]


def _column(
    merged: Merged, backend: str, found: Mapping[str, Decision], contexts: Mapping[str, str]
) -> Column:
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
        {name: _supported(decision, contexts.get(name, "")) for name, decision in found.items()},
    )


def _supported(decision: Decision, contexts: str) -> Supported:
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
        contexts,
    )

"""Which cases decide which features, and their results on a backend, by feature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embcheck.conformance.contract.operation import is_for
from embcheck.conformance.records.lines import CaseLine
from embcheck.conformance.suite.features import Beyond, Feature
from embcheck.conformance.suite.model import Case, Level
from embcheck.reports.answers.conditions import sizes_of
from embcheck.reports.marks import Mark
from embcheck.reports.merge import ANSWER_LEVELS, Merged, MergedResult


@dataclass(frozen=True)
class ByFeature:
    """The scored findings of a backend, by the features that they decide.

    `missing` has the ids of the cases without a result, by the same features.
    """

    findings: Mapping[str, list[MergedResult]]
    missing: Mapping[str, list[str]]


def by_feature_of(
    merged: Merged, backend: str, deciding: Mapping[str, Sequence[str]], asked: Iterable[Case]
) -> ByFeature:
    """Sort the scored findings of a backend by the features that they decide.

    `asked` are the scored cases of the suite.
    """
    findings: dict[str, list[MergedResult]] = {}
    seen = set()
    for finding in merged.of_backend(backend):
        if finding.group == "none" or finding.mark is Mark.NOT_RUN:
            continue
        seen.add(finding.case.case)
        # An answer whose bound is too wide to judge it decides nothing, but is not missing either.
        if finding.mark is not Mark.OBSERVED:
            for name in deciding[finding.case.case]:
                findings.setdefault(name, []).append(finding)
    info = merged.backends[backend].latest
    missing: dict[str, list[str]] = {}
    for case in asked:
        if case.id not in seen and is_asked(case, info):
            for name in deciding[case.id]:
                missing.setdefault(name, []).append(case.id)
    return ByFeature(findings, missing)


def features_decided(
    merged: Merged, features: Mapping[str, Feature], planned: Iterable[Case]
) -> dict[str, list[str]]:
    """Return the features that each case decides; features of sizes only for cases that ran."""
    owner = _owners(features)
    decided = {
        case.id: [*dict.fromkeys(owner[c.id] for c in case.clauses if c.id in owner)]
        for case in planned
    }
    # For cases that were run, the record tells the sizes too.
    return decided | deciding_of(merged.cases, features)


def _owners(features: Mapping[str, Feature]) -> dict[str, str]:
    """Return the feature that each clause decides; no clause decides two."""
    return {clause: name for name, feature in features.items() for clause in feature.clauses}


def deciding_of(
    lines: Mapping[str, CaseLine], features: Mapping[str, Feature]
) -> dict[str, list[str]]:
    """Return the features that each case decides."""
    owner = _owners(features)
    beyond = [(name, feature.beyond) for name, feature in features.items() if feature.beyond]
    return {
        case: [
            *dict.fromkeys(owner[clause] for clause in line.clauses if clause in owner),
            *(name for name, size in beyond if _is_beyond(line, size)),
        ]
        for case, line in lines.items()
    }


def is_asked(case: Case, info: Mapping[str, Any]) -> bool:
    """Whether a case is for a backend, by its entry in a run's header."""
    scheme, operations = case.spec.options.get("scheme"), info.get("operations", ())
    return is_for(case.spec.operation, scheme, operations, info.get("schemes", ()))


def scored(cases: Iterable[Case]) -> list[Case]:
    """Return the cases that decide features: without observed ones, and without large ones.

    Large cases need gigabytes, and most runs do not ask them: they would leave features unknown.
    """
    return [
        case for case in cases if case.level is not Level.IMPLEMENTATION_DEFINED and not case.large
    ]


def _is_beyond(case: CaseLine, size: Beyond) -> bool:
    is_answered = case.level in ANSWER_LEVELS
    return is_answered and sizes_of(case).get(size.axis, 0) > size.size

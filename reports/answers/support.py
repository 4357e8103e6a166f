"""Which features a backend supports, decided only by the results of their cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.suite.features import Feature
from embcheck.conformance.suite.model import Case
from embcheck.reports.answers.conditions import needs_of, phrase, sizes_of, table_dtype
from embcheck.reports.answers.deciding import by_feature_of, features_decided, scored
from embcheck.reports.answers.letters import DTYPES, MARGINAL
from embcheck.reports.marks import Mark
from embcheck.reports.merge import Merged, MergedResult
from embcheck.reports.units import plural


class Support(StrEnum):
    """Whether a backend has a feature."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    ABSENT = "absent"
    """The backend does not offer it, and says so."""
    UNKNOWN = "unknown"
    """A case that decides it has no result."""


class How(StrEnum):
    """How a feature fails, worst first."""

    SILENTLY = "silently"
    DYING = "dying"
    LOUDLY = "loudly"


_FEATURES = frozenset(name for name, option in OPTIONS.items() if option.capability) | {"sparse"}
"""The options that are features of their own."""
_BY_MARK: Mapping[Mark, How] = {
    Mark.SILENT: How.SILENTLY,
    Mark.CRASHED: How.DYING,
    Mark.TIMED_OUT: How.DYING,
    Mark.LOUD: How.LOUDLY,
}
_BY_KIND: Mapping[str, How] = {
    "crashed": How.DYING,
    "timed-out": How.DYING,
    "rejected-valid": How.LOUDLY,
}
_VERBS: Mapping[str, str] = {
    "accepted-invalid": "not refused",
    "rejected-valid": "refused",
    "crashed": "the process dies",
    "timed-out": "hangs",
    "wrong-value": "wrong values",
    "wrong-shape": "wrong shapes",
    "wrong-dtype": "wrong dtypes",
    "wrong-effect": "wrong side effects",
}


@dataclass(frozen=True)
class Decision:
    """Whether a backend has a feature, and what decided it.

    `says` is a phrase that names how it fails, and with what. `example` is the case that shows it
    best. `reason`, `link` and `instead` (a spelling that conforms) are those of that case's known
    deviation. The counts are of cases. If a feature is supported partly, `dtypes` has a decision
    for tables of each dtype. Cases that fail because of a need that other features are about do
    not count; `apart` names such needs.
    """

    support: Support
    how: How | None = None
    says: str = ""
    example: str = ""
    reason: str = ""
    link: str = ""
    instead: str = ""
    passed: int = 0
    failed: int = 0
    absent: int = 0
    missing: int = 0
    dtypes: Mapping[str, Decision] = field(default_factory=dict)
    apart: tuple[str, ...] = ()


Decisions = dict[str, dict[str, Decision]]
NO_USES: Mapping[str, Collection[str]] = {}


def decide(
    merged: Merged,
    features: Mapping[str, Feature],
    planned: Iterable[Case],
    uses: Mapping[str, Collection[str]] = NO_USES,
) -> Decisions:
    """Decide every feature for every backend that was asked: by backend, then by feature.

    `planned` are the cases of the suite; one without a result leaves its features unknown. `uses`
    maps words for what a case uses to the features that are about it.
    """
    asked = scored(planned)
    deciding = features_decided(merged, features, asked)
    about = {
        name: frozenset(word for word, names in uses.items() if name in names) for name in features
    }
    quantized = {
        name for case in asked if case.spec.operation.is_quantized for name in deciding[case.id]
    }
    found: Decisions = {}
    for backend in merged.columns:
        by_feature = by_feature_of(merged, backend, deciding, asked)
        findings, missing = by_feature.findings, by_feature.missing
        weak = _weak(merged.of_backend(backend))
        found[backend] = {
            name: _decided(findings.get(name, []), len(missing.get(name, ())), weak, about[name])
            for name in features
            if name in findings or name in missing
        }
        # A backend without quantised tables need not be asked about them.
        found[backend] |= {
            name: Decision(Support.ABSENT) for name in sorted(quantized - found[backend].keys())
        }
    return found


def _decided(
    findings: list[MergedResult], without: int, weak: _Weak, about: frozenset[str] = frozenset()
) -> Decision:
    """Decide a feature and, if it is supported partly, also for tables of each dtype.

    `about` are the words for what the feature is about.
    """
    own, apart = _own(findings, weak, about)
    whole = replace(decision(own, without), apart=apart)
    if whole.support is not Support.PARTLY:
        return whole
    if whole.how is None and not _is_used(own, about):
        return replace(whole, support=Support.ABSENT)
    groups: dict[str, list[MergedResult]] = {}
    for finding in own:
        groups.setdefault(table_dtype(finding.case), []).append(finding)
    dtypes = {name: decision(groups[name], without) for name in DTYPES if name in groups}
    return replace(whole, dtypes=dtypes)


@dataclass(frozen=True)
class _Weak:
    """The needs that a backend meets in no case, and the options that it fails in most cases."""

    absent: frozenset[str]
    poor: frozenset[str]


def _weak(findings: Iterable[MergedResult]) -> _Weak:
    groups: dict[str, Counter[str]] = {}
    for finding in findings:
        # A mistake that is not refused says nothing about the options beside it.
        if finding.group == "answers":
            for need in needs_of(finding.case):
                groups.setdefault(need, Counter())[group_of(finding)] += 1
    return _Weak(
        frozenset(need for need, n in groups.items() if not n["passed"] and not n["failed"]),
        frozenset(
            need for need, n in groups.items() if need in _FEATURES and n["failed"] > n["passed"]
        ),
    )


def _is_used(findings: list[MergedResult], about: frozenset[str]) -> bool:
    """Whether a case passed that uses what the feature is about; True if no case uses it.

    A case that passes without it is only a control: dense gradients say nothing about sparse ones.
    """
    using = [finding for finding in findings if needs_of(finding.case) & about]
    return not using or any(group_of(finding) == "passed" for finding in using)


def _own(
    findings: list[MergedResult], weak: _Weak, about: frozenset[str]
) -> tuple[list[MergedResult], tuple[str, ...]]:
    """Leave out cases that fail, or are absent, because of a need that most of the cases lack.

    Another feature is about that need; what this one is `about` is no reason to leave a case out.
    Returns the findings that are left, and the options that made cases fail.
    """
    common = Counter(need for finding in findings for need in needs_of(finding.case))
    rare = {need for need in common if common[need] <= len(findings) / 2} - about
    failing = {
        finding.case.case: needs_of(finding.case) & rare & weak.poor
        for finding in findings
        if finding.group == "answers" and group_of(finding) == "failed"
    }
    own = [
        finding
        for finding in findings
        if not failing.get(finding.case.case)
        and not (group_of(finding) == "absent" and needs_of(finding.case) & rare & weak.absent)
    ]
    # If nothing would be left, all findings decide after all.
    apart = {option for options in failing.values() for option in options}
    return (own, tuple(sorted(apart))) if own else (findings, ())


def decision(findings: Iterable[MergedResult], without: int = 0) -> Decision:
    """Decide one feature from the findings of the cases that decide it.

    `without` is the number of such cases that have no result.
    """
    groups: dict[str, list[MergedResult]] = {
        name: [] for name in ("passed", "failed", "absent", "missing")
    }
    for finding in findings:
        groups[group_of(finding)].append(finding)
    passed, failed, absent = groups["passed"], groups["failed"], groups["absent"]
    counts: dict[str, Any] = {name: len(group) for name, group in groups.items()}
    counts["missing"] += without
    # A failure decides even if results are missing: more results could not undo it.
    if failed:
        worst = min(failed, key=_severity)
        deviation = worst.result.deviation if worst.result else None
        return Decision(
            Support.PARTLY if passed else Support.NO,
            how_of(worst),
            _says(failed, absent, passed),
            worst.case.case,
            deviation.reason if deviation else "",
            (deviation.link or "") if deviation else "",
            deviation.conforms_as if deviation else "",
            **counts,
        )
    if counts["missing"]:
        said = f"{plural(counts['missing'], 'case')} without a result"
        return Decision(Support.UNKNOWN, says=said, **counts)
    if not passed:
        return Decision(Support.ABSENT, **counts)
    if not absent:
        return Decision(Support.YES, **counts)
    # Most features have a few cases that do not use their option: if only these pass, the feature
    # is not supported.
    rest = len(passed) <= MARGINAL * (len(passed) + len(absent))
    support = Support.ABSENT if rest else Support.PARTLY
    return Decision(support, says=_absent(absent, passed), **counts)


def group_of(finding: MergedResult) -> str:
    """Put a finding in one of four groups: `passed`, `failed`, `absent` or `missing`.

    A refusal by an earlier stage is `absent`, because the library was not called. A case that is
    known to depart by chance is `failed`, even if it did not depart this time.
    """
    if how_of(finding) is not None:
        return "failed"
    if finding.mark is Mark.PASSED:
        return "passed"
    return "absent" if finding.mark in (Mark.UNSUPPORTED, Mark.EARLIER) else "missing"


def _kind(finding: MergedResult) -> str:
    """Return how a finding fails, or might."""
    by_chance = finding.mark is Mark.DEVIATED and finding.result and finding.result.deviation
    return by_chance.happens if by_chance else finding.kind


def how_of(finding: MergedResult) -> How | None:
    """Return how a finding fails, or might; None if it does not."""
    if finding.mark is Mark.DEVIATED:
        return _BY_KIND.get(_kind(finding), How.SILENTLY)
    return _BY_MARK.get(finding.mark)


def _severity(finding: MergedResult) -> tuple[int, bool, int]:
    """Sort the worst first, one with a reason before others, small examples before large ones."""
    has_reason = finding.result is not None and finding.result.deviation is not None
    size = sum(sizes_of(finding.case).values())
    return [*How, None].index(how_of(finding)), not has_reason, size


def _says(
    failed: list[MergedResult], absent: list[MergedResult], passed: list[MergedResult]
) -> str:
    """Say how it fails, and with what: the most frequent way first, two ways at most."""
    kinds = Counter(map(_kind, failed)).most_common()
    said = []
    for kind, _ in kinds[:2]:
        of_kind = [finding for finding in failed if _kind(finding) == kind]
        verb = _VERBS.get(kind, kind)
        # Compared with all others: two kinds of failure must not have the same condition.
        others = [*passed, *(finding for finding in failed if _kind(finding) != kind)]
        said.append(f"{verb} {_with(of_kind, others)}" if others else verb)
    if len(kinds) > 2:
        said.append(f"other failures in {plural(sum(count for _, count in kinds[2:]), 'case')}")
    if absent and passed:
        said.append(_absent(absent, passed))
    return "; ".join(said)


def _absent(absent: list[MergedResult], passed: list[MergedResult]) -> str:
    return f"not offered {_with(absent, passed)}"


def _with(some: list[MergedResult], others: list[MergedResult]) -> str:
    return phrase([finding.case for finding in some], [finding.case for finding in others])

"""Make data on compatibility from finished runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from embcheck.conformance.execution.judging.verdict import Note
from embcheck.conformance.records.comparable import differences
from embcheck.conformance.records.describe import case_line
from embcheck.conformance.records.lines import ResultLine
from embcheck.conformance.records.run import FILE_NAME, Run, read_runs
from embcheck.conformance.suite.features import Feature, Features, shipped_features
from embcheck.conformance.suite.fingerprint import joined
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files
from embcheck.conformance.suite.model import Case
from embcheck.reports.answers.contexts import letters, size_word, table_of, words_of
from embcheck.reports.answers.deciding import by_feature_of, deciding_of, is_asked, scored
from embcheck.reports.answers.letters import PASSED, UNDECIDED, Words, packed
from embcheck.reports.answers.support import Decision, Decisions, Support, decide
from embcheck.reports.compat import Column, Compat, CompatError, Shown, Supported, Use, sources
from embcheck.reports.merge import Merged, MergedResult, merge
from embcheck.reports.migration.cases import shown
from embcheck.reports.untrusted import one_line

SAYS_LIMIT = 200
REASON_LIMIT = 600


def compat_of(merged: Merged) -> Compat:
    """Decide every shipped feature from merged runs of the shipped suite."""
    shipped, clauses = shipped_features(), shipped_clauses()
    features = shipped.features
    cases = suite_cases()
    decided = decide(merged, features, cases, shipped.uses)
    planned = planned_of(features, cases, merged)
    by_backend = _letters(merged, planned, scored(cases), decided)
    backends = {
        backend: _column(merged, backend, found, by_backend[backend])
        for backend, found in decided.items()
    }
    return Compat(
        joined(sorted(f"{case.id} {case.fingerprint}" for case in cases)),
        {name: feature.says for name, feature in features.items()},
        {name: feature.digest(clauses) for name, feature in features.items()},
        {
            name: Use(profile.says, profile.needs, profile.refused)
            for name, profile in shipped.profiles.items()
        },
        backends,
        sources=sources(),
        uses=uses_of(shipped),
        contexts=planned.contexts,
        cases=_shown(merged, backends),
    )


@lru_cache
def suite_cases() -> tuple[Case, ...]:
    """Return the cases of the shipped suite; the first call takes seconds."""
    return tuple(case for path in spec_files() for case in load_spec(path).cases)


@dataclass(frozen=True)
class Planned:
    """The words and the features of each case, by its id; and the contexts of each feature."""

    words: Mapping[str, Words]
    deciding: Mapping[str, Sequence[str]]
    contexts: Mapping[str, tuple[Words, ...]]


def planned_of(
    features: Mapping[str, Feature], cases: Iterable[Case], merged: Merged | None = None
) -> Planned:
    """Return what the scored cases of the suite, and the cases of merged runs, use and decide."""
    planned = scored(cases)
    lines = {case.id: case_line(case, "") for case in planned}
    if merged is not None:
        # Merged runs may have results of cases that only an older suite had.
        for name, line in merged.cases.items():
            lines.setdefault(name, line)
    deciding = deciding_of(lines, features)
    # The line of a case with several calls describes only the first; the case has them all.
    calls = {
        case.id: [spec.describe() for spec in case.asked] for case in planned if len(case.asked) > 1
    }
    words = {
        name: frozenset[str]().union(
            *(
                words_of(replace(line, call=call), features.values())
                for call in calls.get(name, [line.call])
            )
        )
        for name, line in lines.items()
        if deciding[name]
    }
    return Planned(words, deciding, table_of(words, deciding))


def uses_of(shipped: Features) -> dict[str, tuple[str, ...]]:
    """Return the features that are about each word for what a case uses, sizes included."""
    sizes = {
        size_word(feature): (name,) for name, feature in shipped.features.items() if feature.beyond
    }
    return {**shipped.uses, **sizes}


def _letters(
    merged: Merged, planned: Planned, asked: Collection[Case], decided: Decisions
) -> dict[str, dict[str, str]]:
    """Return each backend's letters for the contexts of features, by feature."""
    found: dict[str, dict[str, str]] = {}
    for backend, decisions in decided.items():
        by_feature = by_feature_of(merged, backend, planned.deciding, asked)
        told = {
            name: letters(
                planned.contexts[name],
                by_feature.findings.get(name, ()),
                planned.words,
                by_feature.missing.get(name, ()),
                decision.instead,
            )
            for name, decision in decisions.items()
            if name in planned.contexts
        }
        found[backend] = {
            name: packed(text)
            for name, text in told.items()
            # Without failures, letters are left out: the answer holds for every context. But a
            # feature with the answer `yes` may still fail together with what others are about.
            if decisions[name].support is not Support.YES or {*text} - {PASSED, UNDECIDED}
        }
    return found


def stale(compat: Compat) -> dict[str, tuple[str, ...]]:
    """Return the features whose clauses changed since they were decided, with their backends."""
    clauses = shipped_clauses()
    found: dict[str, tuple[str, ...]] = {}
    for name, feature in shipped_features().features.items():
        is_older = compat.digests.get(name) != feature.digest(clauses)
        backends = tuple(
            column.id for column in compat.backends.values() if is_older or name in column.stale
        )
        if backends or is_older:
            found[name] = backends
    return found


def asked_wholly(merged: Merged) -> frozenset[str]:
    """Return the backends that have a complete run of the whole suite."""
    # A partial run stopped early or contradicts itself; a selection is a part on purpose.
    whole = [run for run in merged.runs if not run.selection and not run.partial]
    return frozenset(backend for backend in merged.columns if any(_runs_of(whole, backend)))


def versions_of(folders: Iterable[Path]) -> Iterator[Column]:
    """Yield what the backends of each run below some folders support, run by run.

    Raises CompatError for a folder without runs, for a run of only a part of the suite, and for a
    run that is not judged like the other runs of its backend. An older run may have cases that
    today's suite does not ask of the backend.
    """
    first: dict[str, Run] = {}
    for folder in folders:
        files = sorted(folder.rglob(FILE_NAME)) if folder.is_dir() else [folder]
        if not files:
            raise CompatError(f"{folder}: there is no {FILE_NAME}; run `nox -s versions`")
        for file in files:
            for run in read_runs(file):
                yield from _versions_in(run, file, first)


def _versions_in(run: Run, file: Path, first: dict[str, Run]) -> Iterable[Column]:
    merged = merge([run])
    missing = [f"{entry.id}: {entry.unavailable}" for entry in merged.unavailable]
    if part := [*merged.parts.values(), *missing, *run.doubts]:
        raise CompatError(f"{file}: a run is not whole: {part[0]}")
    for name in merged.columns:
        info = merged.backends[name].latest
        # An older run may have asked for cases that today's suite keeps from this backend.
        not_for_it = {case.id for case in suite_cases() if not is_asked(case, info)}
        # Without results, to save memory: only cases and clauses are compared.
        known = first.setdefault(name, replace(run, results=[]))
        _check_alike(file, name, known, run, not_for_it)
    # The known deviations are those of another version: it is no mistake if this one conforms.
    results = [
        replace(result, outcome="passed") if _is_surprise_pass(result) else result
        for result in run.results
    ]
    return compat_of(merge([replace(run, results=results)])).backends.values()


def _is_surprise_pass(result: ResultLine) -> bool:
    """Whether a case passed that fails in another version, by a known deviation.

    Older records lack the note for that. In these, a stale entry without another spelling means a
    pass: the only other stale entries are those whose spelling does not conform.
    """
    entry = result.deviation
    is_told = Note.CONFORMS in result.notes or (entry is not None and not entry.conforms_as)
    return result.outcome == "stale" and is_told


def _check_alike(
    file: Path, backend: str, known: Run, run: Run, not_for_it: Collection[str]
) -> None:
    cases = sorted(({*known.cases} ^ {*run.cases}).difference(not_for_it))
    if found := cases or differences([known], [run]):
        raise CompatError(
            f"{file}: is not judged as other versions of {backend} are, the first difference is "
            f"{found[0]}; run `nox -s versions -- {backend}`"
        )


def _runs_of(runs: list[Run] | tuple[Run, ...], backend: str) -> Iterator[Run]:
    for run in runs:
        if run.header.purpose == "conformance" and any(
            info.get("id") == backend and not info.get("unavailable")
            for info in run.header.backends
        ):
            yield run


def _shown(merged: Merged, backends: Mapping[str, Column]) -> dict[str, Shown]:
    """Return in short the cases that are examples of an answer, in the order of their names."""
    features = [found for column in backends.values() for found in column.features.values()]
    examples: dict[str, list[MergedResult]] = {
        name: [] for name in sorted({found.example for found in features if found.example})
    }
    for finding in merged.findings:
        if finding.case.case in examples:
            examples[finding.case.case].append(finding)
    return {name: shown(findings) for name, findings in examples.items() if findings}


def _column(
    merged: Merged, backend: str, found: Mapping[str, Decision], contexts: Mapping[str, str]
) -> Column:
    entry = merged.backends[backend]
    latest = {key: one_line(str(entry.latest.get(key, "")), 80) for key in ("library", "version")}
    # The latest run: merged runs are in the order of time.
    *_, last = _runs_of(merged.runs, backend)
    return Column(
        backend,
        latest["library"],
        latest["version"],
        one_line(str(entry.latest.get("device", "")), 80),
        one_line(last.header.started[:10], 10),
        {name: _supported(decision, contexts.get(name, "")) for name, decision in found.items()},
        one_line(last.header.suite, 80),
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

"""Make data on compatibility from finished runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from embcheck.conformance.execution.judging.deviations import is_surprise_pass
from embcheck.conformance.records.comparable import differences
from embcheck.conformance.records.run import FILE_NAME, Run, read_runs
from embcheck.conformance.suite.features import shipped_features
from embcheck.conformance.suite.fingerprint import joined
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files
from embcheck.reports.compat import Column, Compat, CompatError, Supported, Use, sources
from embcheck.reports.merge import Merged, merge
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
    return Compat(
        joined(sorted(f"{case.id} {case.fingerprint}" for case in cases)),
        {name: feature.says for name, feature in features.items()},
        {name: feature.digest(clauses) for name, feature in features.items()},
        {
            name: Use(profile.says, profile.needs, profile.refused)
            for name, profile in shipped.profiles.items()
        },
        {backend: _column(merged, backend, found) for backend, found in decided.items()},
        sources(),
    )


def stale(compat: Compat) -> dict[str, tuple[str, ...]]:
    """Name the shipped features that were decided by other clauses, each with its backends."""
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
    """Name the backends that were asked the whole suite, in a run that came to its end."""
    whole = [run for run in merged.runs if not run.selection and not run.partial]
    return frozenset(backend for backend in merged.columns if any(_runs_of(whole, backend)))


def versions_of(folders: Iterable[Path]) -> Iterator[Column]:
    """Decide every feature by each run below some folders, one run after another.

    Raises CompatError for a folder without runs, for a run of a part of the suite, which says
    nothing of the rest, and for one that does not judge as the others of its backend do.
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
        _check_alike(file, name, first.setdefault(name, replace(run, results=[])), run)
    # The known deviations are those of other versions: that this one conforms is no mistake.
    results = [
        replace(result, outcome="passed")
        if is_surprise_pass(result.outcome, result.message)
        else result
        for result in run.results
    ]
    return compat_of(merge([replace(run, results=results)])).backends.values()


def _check_alike(file: Path, backend: str, known: Run, run: Run) -> None:
    cases = sorted({*known.cases} ^ {*run.cases})
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


def _column(merged: Merged, backend: str, found: Mapping[str, Decision]) -> Column:
    entry = merged.backends[backend]
    latest = {key: one_line(str(entry.latest.get(key, "")), 80) for key in ("library", "version")}
    # As merged runs are, the latest last.
    *_, last = _runs_of(merged.runs, backend)
    return Column(
        backend,
        latest["library"],
        latest["version"],
        one_line(str(entry.latest.get("device", "")), 80),
        one_line(last.header.started[:10], 10),
        {name: _supported(decision) for name, decision in found.items()},
        one_line(last.header.suite, 80),
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

"""Join new data on compatibility with older data, and say what changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from packaging.version import InvalidVersion, Version

from embcheck.reports.answers.letters import UNDECIDED, packed, unpacked
from embcheck.reports.compat import Column, Compat, CompatError, Since, Supported, Versions
from embcheck.reports.migration.cases import cases_of_both


@dataclass(frozen=True)
class CompatChange:
    """A feature for which a backend's answer changed."""

    backend: str
    feature: str
    before: Supported
    after: Supported


@dataclass(frozen=True)
class JoinedCompat:
    """New data joined with older data.

    `changed` are the answers that differ now, `added` the backends without older data, `kept` the
    backends that keep their older answers. `against` are features of kept backends that had the
    answer `yes` and fail in the part that was run now: a reason to run the whole suite again.
    """

    data: Compat
    changed: tuple[CompatChange, ...] = ()
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    against: tuple[CompatChange, ...] = ()


def join(new: Compat, old: Compat, wholly: Collection[str]) -> JoinedCompat:
    """Take the new answers of backends that ran the whole suite; of others, keep the older ones.

    `wholly` names the backends that ran the whole suite. Backends and features without older
    answers take the new ones, even from a part of the suite. Where older answers are kept,
    features whose clauses changed since then are listed as stale. The answers of other versions
    are dropped where the clauses changed.
    """
    # A digest is of the feature's clauses: while it is the same, so is the question.
    same = {name for name, digest in new.digests.items() if old.digests.get(name) == digest}
    columns: dict[str, Column] = {}
    kept = []
    for name in sorted({*new.backends, *old.backends}):
        if name not in old.backends:
            columns[name] = new.backends[name]
        elif name in new.backends and name in wholly:
            columns[name] = _with_versions_of(new.backends[name], old.backends[name], same)
        else:
            kept.append(name)
            columns[name] = _kept(old.backends[name], new, old, same)
    changed = [
        change
        for name, column in old.backends.items()
        for change in _differences(column, columns[name].features)
    ]
    against = [
        change
        for name in kept
        if name in new.backends
        for change in _differences(old.backends[name], new.backends[name].features)
        if _is_against(change)
    ]
    added = tuple(name for name in columns if name not in old.backends)
    data = replace(new, backends=columns, cases=cases_of_both(new, old, kept))
    return JoinedCompat(data, tuple(changed), added, tuple(kept), tuple(against))


def with_versions(data: Compat, runs: Iterable[Column]) -> Compat:
    """Return the data with the history of each answer, from whole runs of several versions.

    Each of `runs` is a backend in one version. The histories of these backends are replaced; a
    backend with a single version is left as it is. Raises CompatError for an unknown backend or
    an invalid version.
    """
    by_backend: dict[str, dict[str, Column]] = {}
    for run in sorted(runs, key=lambda column: column.date):
        # Sorted by date: the latest run of a version replaces earlier ones of it.
        by_backend.setdefault(data.column(run.id).id, {})[run.version] = run
    columns = {
        name: _with_versions(data.backends[name], by_version)
        for name, by_version in by_backend.items()
        if len(by_version) > 1
    }
    return replace(data, backends={**data.backends, **columns})


def _with_versions(column: Column, by_version: Mapping[str, Column]) -> Column:
    runs = sorted(by_version.values(), key=_place)
    last = max(runs, key=lambda run: run.date)
    versions = Versions(tuple(run.version for run in runs), last.suite, last.date)
    features = {
        name: replace(found, history=_history(name, runs))
        for name, found in column.features.items()
    }
    return replace(column, versions=versions, features=features)


def _place(column: Column) -> Version:
    try:
        return Version(column.version)
    except InvalidVersion:
        raise CompatError(f"{column.id}: '{column.version}' is no version") from None


def _history(feature: str, runs: Iterable[Column]) -> tuple[Since, ...]:
    history: list[Since] = []
    for run in runs:
        found = run.features.get(feature, Supported("unknown"))
        since = Since(run.version, found.support, found.how, found.says)
        if not history or replace(history[-1], version=run.version) != since:
            history.append(since)
    # A single entry holds for all versions: its `says` would repeat that of the answer.
    return tuple(history) if len(history) > 1 else (replace(history[0], says=""),)


def _with_versions_of(newer: Column, older: Column, same: Collection[str]) -> Column:
    features = {
        name: replace(found, history=older.features[name].history)
        if name in same and name in older.features
        else found
        for name, found in newer.features.items()
    }
    return replace(newer, features=features, versions=older.versions)


def _kept(column: Column, new: Compat, old: Compat, same: Collection[str]) -> Column:
    # Letters belong to contexts by their position: beside other contexts they would be wrong.
    alike = {name for name in same if new.contexts.get(name) == old.contexts.get(name)}
    features = {
        name: replace(
            found,
            history=found.history if name in same else (),
            contexts=found.contexts if name in alike else "",
        )
        for name, found in column.features.items()
        if name in new.features
    }
    part = new.backends.get(column.id)
    features |= {
        name: found
        for name, found in (part.features.items() if part else ())
        if name not in old.features
    }
    # A backend without the operation would give the same answer again, so it is not stale.
    never = {name for name in features.keys() - same if _is_never_asked(column.features.get(name))}
    for name in never:
        letters = packed(UNDECIDED * len(new.contexts.get(name, ())))
        features[name] = replace(features[name], contexts=letters)
    stale = tuple(
        name
        for name in new.features
        if name in column.stale
        or (name not in {*same, *never} and (name in column.features or name not in features))
    )
    return replace(column, features=features, stale=stale)


def _is_never_asked(found: Supported | None) -> bool:
    """Whether a feature is absent because the backend has none of the feature's operations."""
    letters = set(unpacked(found.contexts)) if found else set()
    return found is not None and found.support == "absent" and letters == {UNDECIDED}


def _is_against(change: CompatChange) -> bool:
    """Whether a part of the suite shows that a kept answer of `yes` is wrong."""
    # A feature with `apart` has failing cases anyway: the part may consist of only these.
    is_good = change.before.support == "yes" and not change.before.apart
    return is_good and change.after.how is not None


def _differences(before: Column, after: Mapping[str, Supported]) -> list[CompatChange]:
    return [
        CompatChange(before.id, name, before.features[name], found)
        for name, found in after.items()
        if name in before.features
        and (before.features[name].support, before.features[name].how) != (found.support, found.how)
    ]

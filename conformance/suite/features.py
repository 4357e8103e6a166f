"""Features: what users ask about, in their words, with the clauses or sizes that decide it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from embcheck.conformance.suite.load import FEATURES, shipped_clauses, suite_root
from embcheck.conformance.suite.model import Clause, Level
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, Mark, read_yaml


@dataclass(frozen=True)
class Beyond:
    """A size that must be exceeded on an axis: `rows`, `columns`, `positions` or `bags`."""

    axis: str
    size: int


@dataclass(frozen=True)
class Feature:
    """A feature: a name, one sentence, and either the clauses or the size that decide it."""

    name: str
    says: str
    clauses: tuple[str, ...] = ()
    beyond: Beyond | None = None

    def digest(self, clauses: Mapping[str, Clause]) -> str:
        """Return a short hash of what decides the feature, which shows if older data is stale."""
        decided = [
            [name, str(clauses[name].level), clauses[name].statement] for name in self.clauses
        ]
        size = [self.beyond.axis, self.beyond.size] if self.beyond else []
        text = json.dumps([self.says, decided, size])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class UseProfile:
    """A typical use: the features that it needs, and those that report a mistake as an error."""

    name: str
    says: str
    needs: tuple[str, ...]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Features:
    """The content of a file of features: features and typical uses (profiles), each by name.

    `uses` maps words for what a case uses to the features about it.
    """

    features: Mapping[str, Feature]
    profiles: Mapping[str, UseProfile]
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def shipped_features() -> Features:
    """Load the features that embcheck ships."""
    return load_features(suite_root() / FEATURES, shipped_clauses())


def load_features(path: Path, clauses: Mapping[str, Clause]) -> Features:
    """Load a file of features. Raise SpecError with all of its mistakes.

    Every scored clause must belong to exactly one feature.
    """
    tree = read_yaml(path)
    problems = problems_of(tree, str(path), "features") or [
        *_mistakes(tree, path, clauses),
        *_unknown_needs(tree, path),
    ]
    if problems:
        raise SpecError(problems)
    features = {entry["name"]: _feature(entry) for entry in tree["features"]}
    profiles = {entry["name"]: _profile(entry) for entry in tree.get("profiles", ())}
    uses = {entry["says"]: tuple(entry["features"]) for entry in tree.get("uses", ())}
    return Features(MappingProxyType(features), MappingProxyType(profiles), MappingProxyType(uses))


def load_profile(path: Path, known: Collection[str]) -> UseProfile:
    """Load a user's own profile, which has the same form as the shipped ones.

    `known` has the names of all features. Raise SpecError with all of the file's mistakes.
    """
    tree = read_yaml(path)
    problems = problems_of(tree, str(path), "features", "profile") or [
        *_unknown_in(tree, path, known)
    ]
    if problems:
        raise SpecError(problems)
    return _profile(tree)


def _feature(entry: Map) -> Feature:
    beyond = Beyond(**entry["beyond"]) if "beyond" in entry else None
    return Feature(entry["name"], entry["says"], tuple(entry.get("clauses", ())), beyond)


def _profile(entry: Map) -> UseProfile:
    return UseProfile(
        entry["name"], entry["says"], tuple(entry["needs"]), tuple(entry.get("refused", ()))
    )


def _mistakes(tree: Map, path: Path, clauses: Mapping[str, Clause]) -> Iterator[Problem]:
    # Implementation-defined clauses are only observed, and decide no feature.
    scored = [
        clause.id for clause in clauses.values() if clause.level != Level.IMPLEMENTATION_DEFINED
    ]
    owner: dict[str, str] = {}
    # A retired name must not be used again, or older data would seem to be about the new feature.
    names = set(tree.get("retired", ()))
    for entry in tree["features"]:
        mark: Mark = entry.value_marks["name"]
        if entry["name"] in names:
            said = f"the name '{entry['name']}' is taken or retired"
            yield Problem(str(path), *mark, said, "choose another name")
        names.add(entry["name"])
        for clause in entry.get("clauses", ()):
            if clause not in scored:
                said = f"'{clause}' is not a scored clause"
                yield Problem(str(path), *mark, said, "name one of specs/clauses")
            elif clause in owner:
                said = f"'{clause}' belongs to '{owner[clause]}' already"
                yield Problem(str(path), *mark, said, "leave it in one feature")
            owner.setdefault(clause, entry["name"])
    for clause in scored:
        if clause not in owner:
            said = f"'{clause}' belongs to no feature"
            yield Problem(str(path), 1, 1, said, "add it to the feature that it decides")


def _unknown_needs(tree: Map, path: Path) -> Iterator[Problem]:
    names = {entry["name"] for entry in tree["features"]}
    for entry in tree.get("profiles", ()):
        yield from _unknown_in(entry, path, names)
    for entry in tree.get("uses", ()):
        mark: Mark = entry.value_marks["says"]
        for name in entry["features"]:
            if name not in names:
                said = f"'{entry['says']}' names '{name}', which is not a feature"
                yield Problem(str(path), *mark, said, "name one of the features above")


def _unknown_in(profile: Map, path: Path, known: Collection[str]) -> Iterator[Problem]:
    for key in ("needs", "refused"):
        for place, name in enumerate(profile.get(key, ())):
            if name in known:
                continue
            mark: Mark = profile[key].value_marks[place]
            said = f"the profile '{profile['name']}' names '{name}', which is not a feature"
            near = get_close_matches(name, known, 3)
            advice = f"did you mean {' or '.join(near)}?" if near else "see `embcheck compat`"
            yield Problem(str(path), *mark, said, advice)

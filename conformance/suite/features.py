"""Features: what users ask about, in their words, and what decides it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from embcheck.conformance.suite.load import FEATURES, shipped_clauses, suite_root
from embcheck.conformance.suite.model import Clause, Level
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, read_yaml


@dataclass(frozen=True)
class Beyond:
    """A size along an axis (`rows`, `columns`, `positions` or `bags`)."""

    axis: str
    size: int


@dataclass(frozen=True)
class Feature:
    """A name, one sentence, and either the clauses or the sizes whose cases decide it."""

    name: str
    says: str
    clauses: tuple[str, ...] = ()
    beyond: Beyond | None = None

    def digest(self, clauses: Mapping[str, Clause]) -> str:
        """Return a short hash of what decides it, by which older data is known as stale."""
        decided = [
            [name, str(clauses[name].level), clauses[name].statement] for name in self.clauses
        ]
        size = [self.beyond.axis, self.beyond.size] if self.beyond else []
        text = json.dumps([self.says, decided, size])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Profile:
    """A typical use: the features that it needs, and those by which a mistake is an error."""

    name: str
    says: str
    needs: tuple[str, ...]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Features:
    """A file of features: those, and typical uses of them, each by name."""

    features: Mapping[str, Feature]
    profiles: Mapping[str, Profile]


def shipped_features() -> Features:
    """Load the features that embcheck ships."""
    return load_features(suite_root() / FEATURES, shipped_clauses())


def load_features(path: Path, clauses: Mapping[str, Clause]) -> Features:
    """Load a file of features; raises SpecError with all of its mistakes.

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
    return Features(MappingProxyType(features), MappingProxyType(profiles))


def _feature(entry: Map) -> Feature:
    beyond = Beyond(**entry["beyond"]) if "beyond" in entry else None
    return Feature(entry["name"], entry["says"], tuple(entry.get("clauses", ())), beyond)


def _profile(entry: Map) -> Profile:
    return Profile(
        entry["name"], entry["says"], tuple(entry["needs"]), tuple(entry.get("refused", ()))
    )


def _mistakes(tree: Map, path: Path, clauses: Mapping[str, Clause]) -> Iterator[Problem]:
    scored = [
        clause.id for clause in clauses.values() if clause.level != Level.IMPLEMENTATION_DEFINED
    ]
    owner: dict[str, str] = {}
    names = set(tree.get("retired", ()))
    for entry in tree["features"]:
        line, column = entry.value_marks["name"]
        if entry["name"] in names:
            said = f"the name '{entry['name']}' is taken or retired"
            yield Problem(str(path), line, column, said, "choose another name")
        names.add(entry["name"])
        for clause in entry.get("clauses", ()):
            if clause not in scored:
                said = f"'{clause}' is no scored clause"
                yield Problem(str(path), line, column, said, "name one of specs/clauses")
            elif clause in owner:
                said = f"'{clause}' belongs to '{owner[clause]}' already"
                yield Problem(str(path), line, column, said, "leave it in one feature")
            owner.setdefault(clause, entry["name"])
    for clause in scored:
        if clause not in owner:
            said = f"'{clause}' belongs to no feature"
            yield Problem(str(path), 1, 1, said, "add it to the feature that it decides")


def _unknown_needs(tree: Map, path: Path) -> Iterator[Problem]:
    names = {entry["name"] for entry in tree["features"]}
    for entry in tree.get("profiles", ()):
        line, column = entry.value_marks["name"]
        for name in (*entry["needs"], *entry.get("refused", ())):
            if name not in names:
                said = f"the profile '{entry['name']}' names '{name}', which is no feature"
                yield Problem(str(path), line, column, said, "name one of the features above")

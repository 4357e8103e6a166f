"""The mutants as data: `tests/mutants/*.yaml`, each with one bug of the reference."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embcheck.conformance.suite.source import read_yaml

MUTANTS = Path(__file__).parent.parent / "mutants"
SURVIVORS = MUTANTS / "survivors.yaml"
FIELDS = {"id", "clause", "says", "file", "old", "new"}
OPTIONAL = {"adds"}


class BadMutant(Exception):
    """A mutant whose description is invalid, or that no longer fits the reference."""


@dataclass(frozen=True)
class Mutant:
    """One bug: the fragment of the reference that it replaces, and the clauses that it breaks.

    `adds` is code that is appended to the file: state that the bug keeps between calls, or a
    helper.
    """

    id: str
    theme: str
    clauses: tuple[str, ...]
    says: str
    file: str
    old: str
    new: str
    adds: str = ""


def load_mutants(known_clauses: Collection[str], folder: Path = MUTANTS) -> list[Mutant]:
    """Load all mutants of a folder; raise BadMutant if the description of one is invalid."""
    mutants = [
        _parse(entry, path)
        for path in sorted(folder.glob("*.yaml"))
        if path.name != SURVIVORS.name
        for entry in read_yaml(path)["mutants"]
    ]
    for complaint in _complaints(mutants, known_clauses):
        raise BadMutant(complaint)
    return mutants


def _parse(entry: dict[str, Any], path: Path) -> Mutant:
    if wrong := set(entry) - OPTIONAL ^ FIELDS:
        raise BadMutant(
            f"{path.name}: {entry.get('id')}: missing or unknown: {', '.join(sorted(wrong))}"
        )
    clause = entry["clause"]
    clauses = (clause,) if isinstance(clause, str) else tuple(clause)
    texts = (entry[name] for name in ("says", "file", "old", "new"))
    return Mutant(entry["id"], path.stem, clauses, *texts, entry.get("adds", ""))


def _complaints(mutants: list[Mutant], known_clauses: Collection[str]) -> Iterator[str]:
    seen: set[str] = set()
    for mutant in mutants:
        if mutant.id in seen:
            yield f"two mutants are called {mutant.id}"
        seen.add(mutant.id)
        unknown = set(mutant.clauses) - set(known_clauses)
        if unknown or not mutant.clauses:
            yield f"{mutant.id}: no such clause: {', '.join(sorted(unknown)) or 'none is named'}"

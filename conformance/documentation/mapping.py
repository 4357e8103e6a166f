"""Load `specs/documentation`: the clauses that cover each sentence of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embcheck.conformance.coverage.ladder import SIZES_FILE, load_ladder
from embcheck.conformance.coverage.rules import PAIRS_FILE, load_rules
from embcheck.conformance.documentation.exercise import EXERCISE_FILE, load_left_out
from embcheck.conformance.suite.load import shipped_clauses, suite_root
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, mark_of, read_yaml

_OTHER_FILES: Mapping[str, Callable[[Path], object]] = {
    EXERCISE_FILE: load_left_out,
    SIZES_FILE: load_ladder,
    PAIRS_FILE: load_rules,
}
"""The other files in that folder, each with the function that loads it."""


@dataclass(frozen=True)
class MappedSentence:
    """A sentence's paraphrase, and the clauses that cover it, or the reason why none can."""

    object: str
    parameter: str
    hash: str
    paraphrase: str
    torch: str
    clauses: tuple[str, ...] = ()
    non_normative: str | None = None


def mapping_files() -> list[Path]:
    """List the files of sentences that embcheck ships."""
    files = sorted((suite_root() / "documentation").glob("*.yaml"))
    return [file for file in files if file.name not in _OTHER_FILES]


def load_mapping(paths: Iterable[Path]) -> tuple[MappedSentence, ...]:
    """Load files of sentences. Raise SpecError with all mistakes in all of them."""
    sentences: list[MappedSentence] = []
    problems: list[Problem] = []
    objects: set[str] = set()
    for path in paths:
        tree = read_yaml(path)
        found = problems_of(tree, str(path), "documentation") or list(_mistakes(tree, path))
        if not found and tree["object"] in objects:
            what = f"{tree['object']} stands in two files"
            found = [Problem(str(path), *tree.value_marks["object"], what, "join them")]
        problems += found
        if not found:
            objects.add(tree["object"])
            sentences += _sentences(tree)
    if problems:
        raise SpecError(problems)
    return tuple(sentences)


def check_documentation(paths: Iterable[Path]) -> None:
    """Check files of the folder, each as the kind of file that its name says. Raise SpecError."""
    for path in paths:
        load = _OTHER_FILES.get(path.name)
        if load is None:
            load_mapping([path])
        else:
            load(path)


def _sentences(tree: Map) -> Iterator[MappedSentence]:
    for entry in tree["sentences"]:
        yield MappedSentence(
            object=tree["object"],
            torch=tree["torch"],
            **{**entry, "clauses": tuple(entry.get("clauses", ()))},
        )


def _mistakes(tree: Map, path: Path) -> Iterator[Problem]:
    for entry in tree["sentences"]:
        for position, clause in enumerate(entry.get("clauses", ())):
            if clause not in shipped_clauses():
                line, column = mark_of(entry, ["clauses", position])
                what = f"there is no clause '{clause}'"
                yield Problem(str(path), line, column, what, "name one of specs/clauses")

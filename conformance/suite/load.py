"""Load clauses and spec files; every mistake of a file is reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from embcheck.conformance.suite.case_parser import CaseParser
from embcheck.conformance.suite.model import Clause, Level, Spec
from embcheck.conformance.suite.parsed import parsed_once
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, Mark, read_yaml

# The same in users' folders of specs.
NOT_SPECS = ("clauses", "workloads", "curves", "deviations", "documentation")
"""Names of folders whose YAML files are not specs, but have schemas of their own."""
FEATURES = "features.yaml"
"""The file of features among the shipped specs, which is not a spec either."""


@lru_cache
def suite_root() -> Path:
    """Return the folder of the specs that embcheck ships."""
    return Path(str(files("embcheck.specs")))


def spec_files(paths: Iterable[Path] = ()) -> list[Path]:
    """List the spec files in the given files and folders, in order; the shipped ones by default.

    Raise SpecError for a path that does not exist or contains no spec.
    """
    found: list[Path] = []
    for path in [*paths] or [suite_root()]:
        below = [path] if path.is_file() else sorted(path.rglob("*.yaml"))
        # A file that is named itself counts as a spec, whatever its folder is called.
        chosen = [file for file in below if file == path or not _is_other(file, path)]
        if not chosen:
            what = "holds no spec" if path.exists() else "does not exist"
            raise SpecError(
                [Problem(str(path), 1, 1, what, "name a spec file or a folder of them")]
            )
        found += [file for file in chosen if file not in found]
    return found


def _is_other(file: Path, root: Path) -> bool:
    return file == suite_root() / FEATURES or bool(
        {*file.relative_to(root).parts[:-1], root.name} & {*NOT_SPECS}
    )


@lru_cache
def shipped_clauses() -> Mapping[str, Clause]:
    """Load the clauses that embcheck ships, by id."""
    return load_clauses(sorted((suite_root() / "clauses").glob("*.yaml")))


def load_clauses(paths: Iterable[Path]) -> Mapping[str, Clause]:
    """Load clause files. Raise SpecError with the problems of all of them."""
    clauses: dict[str, Clause] = {}
    problems: list[Problem] = []
    for path in paths:
        tree = read_yaml(path)
        found = problems_of(tree, str(path), "clauses")
        problems += found
        for entry in tree["clauses"] if not found else ():
            if entry["id"] in clauses:
                mark: Mark = entry.value_marks["id"]
                what = f"clause '{entry['id']}' stands twice"
                problems.append(Problem(str(path), *mark, what, "choose another id"))
            clauses[entry["id"]] = _clause(path, entry)
    if problems:
        raise SpecError(problems)
    return MappingProxyType(clauses)


def _clause(path: Path, entry: Map) -> Clause:
    line, column = entry.value_marks["id"]
    # The fields of a clause are the keys of the schema. Only these three have another form.
    made = {
        "level": Level(entry["level"]),
        "sentences": tuple(entry.get("sentences", {}).items()),
        "where": f"{_display_name(path)}:{line}:{column}",
    }
    return Clause(**{**entry, **made})


def load_spec(path: Path, clauses: Mapping[str, Clause] | None = None) -> Spec:
    """Load one spec file. Raise SpecError with all of its mistakes.

    If `clauses` is None, they are the shipped clauses. For a file of a user's, those in a folder
    `clauses/`, in the file's folder or beside that, are added.
    """
    if clauses is None:
        # Time and size tell `_load_spec` that a file was edited since it was last loaded.
        status = path.stat() if path.exists() else None
        return _load_spec(path, status and (status.st_mtime_ns, status.st_size))
    return _parse_spec(path, clauses)


@lru_cache(maxsize=1024)
def _load_spec(path: Path, _state: object) -> Spec:
    """Load a spec file, once for each of its states."""
    if path.exists() and _is_shipped(path):
        return parsed_once(path, suite_root(), lambda file: _parse_spec(file, shipped_clauses()))
    return _parse_spec(path, _clauses_for(path))


def _parse_spec(path: Path, clauses: Mapping[str, Clause]) -> Spec:
    name = _display_name(path)
    tree = read_yaml(path, name)
    problems = problems_of(tree, name, "spec")
    # The parser relies on the schema, and would fail on a file that does not fit it.
    if problems:
        raise SpecError(problems)
    parser = CaseParser(name, f"{path.parent.name}/{path.stem}", clauses, tree)
    cases = parser.cases()
    if parser.problems:
        raise SpecError(parser.problems)
    return Spec(f"{path.parent.name}/{path.stem}", tree["behaviour"], cases)


def _is_shipped(path: Path) -> bool:
    return path.resolve().parent.is_relative_to(suite_root().resolve())


def _clauses_for(path: Path) -> Mapping[str, Clause]:
    if _is_shipped(path):
        return shipped_clauses()
    parent = path.resolve().parent
    own = [
        file
        for folder in (parent / "clauses", parent.parent / "clauses")
        for file in sorted(folder.glob("*.yaml"))
    ]
    # A shipped clause wins over one with the same id, since runs are compared by their ids.
    return MappingProxyType({**load_clauses(own), **shipped_clauses()})


@lru_cache(maxsize=256)
def _display_name(path: Path) -> str:
    """Return the name of a file for messages: `specs/...` if it is shipped, else the given path."""
    resolved = path.resolve()
    root = suite_root().resolve()
    return f"specs/{resolved.relative_to(root)}" if resolved.is_relative_to(root) else str(path)

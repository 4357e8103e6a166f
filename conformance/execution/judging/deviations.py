"""Known deviations, listed beside each adapter; one that no longer happens is reported as stale."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.execution.judging.causes import (
    CATEGORIES,
    REPLACED,
    Category,
    Cause,
    leads_to_documentation,
)
from embcheck.conformance.execution.judging.verdict import Note, Outcome, Verdict
from embcheck.conformance.suite.case_names import globs, near
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, mark_of, read_any_yaml

_JUDGED = (Outcome.PASSED, Outcome.FAILED, Outcome.CRASHED, Outcome.TIMED_OUT)

PAGE = "docs/deviations.md"
"""The page that describes the files."""

CHANGED = "changed"
"""The first word of the message if a case departs in another way than its known deviation says."""


@dataclass(frozen=True)
class Deviation:
    """One known departure of a backend.

    `cases` are case ids, in which `*` stands for anything. `happens` is the kind of the failure, or
    `crashed` or `timed-out`. `message` is a regular expression that must match a part of the
    failure's message. A departure that happens only `sometimes`, by chance, may pass as well.
    `threads` and `instructions` are conditions on the worker: a specifier like that of a version,
    and some sets, one of which must match. `conforms_as` is another of the adapter's spellings,
    with which the cases pass.
    """

    cases: tuple[str, ...]
    happens: str
    cause: Cause
    reason: str
    link: str | None = None
    version: str = ""
    device: str = ""
    threads: str = ""
    instructions: tuple[str, ...] = ()
    sometimes: bool = False
    message: str = ""
    conforms_as: str = ""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return globs(self.cases)

    def concerns(self, case: str) -> bool:
        """Whether a case is one of those named."""
        return self._pattern.fullmatch(case) is not None

    def holds_for(self, info: BackendInfo) -> bool:
        """Whether the entry's conditions on version, device and processor are met."""
        if self.device and self.device != info.device:
            return False
        if self.instructions and info.instructions not in self.instructions:
            return False
        if self.threads and not SpecifierSet(self.threads).contains(str(info.threads or 0)):
            return False
        try:
            return SpecifierSet(self.version).contains(info.version, prereleases=True)
        except InvalidVersion:  # A build may have any version; then no condition is met.
            return not self.version

    def foresees(self, happened: str, message: str) -> bool:
        """Whether the entry predicts a failure of this kind, with this message."""
        return happened == self.happens and re.search(self.message, message) is not None

    @property
    def category(self) -> Category:
        """Who is responsible, which follows from the cause."""
        return CATEGORIES[self.cause]

    @property
    def way(self) -> str:
        """How the cases fail, with the pattern of the message if there is one."""
        return f"{self.happens}, saying /{self.message}/" if self.message else self.happens


def load_deviations(backend: str) -> tuple[Deviation, ...]:
    """Load `deviations/BACKEND.yaml` beside the module that adapts a backend; empty if none.

    The entries of the files that it includes come after its own. Raises SpecError for an invalid
    file, also for a blank reason.
    """
    announced = known_backends().get(backend)
    # Found, but not imported: the adapter's library may be missing here.
    spec = find_spec(announced.module) if announced else None
    if spec is None or spec.origin is None:
        return ()
    return load_deviations_beside(Path(spec.origin), backend)


def load_deviations_beside(module: Path, backend: str) -> tuple[Deviation, ...]:
    """Load `deviations/BACKEND.yaml` beside a module's file, as `load_deviations` does."""
    path = module.parent / "deviations" / f"{backend}.yaml"
    try:
        is_there = path.exists()
    except OSError:  # Reading it will report why it is not accessible.
        is_there = True
    return read_deviations(path) if is_there else ()


def read_deviations(path: Path) -> tuple[Deviation, ...]:
    """Read a file of deviations, and those that it includes; raises SpecError if one is invalid.

    A file without entries, or an empty one, is valid.
    """
    try:
        return tuple(map(_deviation, _entries(path, ())))
    except SpecError as error:
        raise SpecError([_with_page(problem) for problem in error.problems]) from None


def unknown_cases(path: Path, cases: Collection[str]) -> list[Problem]:
    """List the names in a valid file of deviations that match no case, as problems."""
    tree = _tree(path)
    problems = []
    for number, entry in enumerate(tree.get("deviations") or ()):
        for position, name in enumerate(entry["cases"]):
            if not any(map(globs([name]).fullmatch, cases)):
                mark = mark_of(tree, ("deviations", number, "cases", position))
                told = Problem(
                    _shown(path), *mark, f"there is no case '{name}'", _meant(name, cases)
                )
                problems.append(_with_page(told))
    return problems


def _meant(name: str, cases: Collection[str]) -> str:
    """Suggest what a name that matches no case may mean."""
    if any(map(globs([f"{name}[*]"]).fullmatch, cases)):
        return f"write '{name}[*]' for all cases of its matrix"
    close = near(name, cases)
    return f"did you mean {' or '.join(close)}?" if close else "see `embcheck show`, or remove it"


def _with_page(problem: Problem) -> Problem:
    """Add the page with the format to a problem, and a hint at quotes to a syntax error."""
    is_syntax = problem.what.startswith(("not YAML", "no finished value"))
    quotes = "; put case ids, and text with a colon, in quotes" if is_syntax else ""
    return replace(problem, remedy=f"{problem.remedy}{quotes} ({PAGE})")


def _shown(path: Path) -> str:
    """Return a path as text, relative to the current folder if it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _tree(path: Path) -> Map:
    """Read a file as YAML; an empty file is a mapping without keys."""
    tree = read_any_yaml(path, _shown(path))
    if tree is None or tree == []:
        return Map((1, 1))
    if isinstance(tree, Map):
        return tree
    what, remedy = "the top level is not a mapping", "begin with a line 'deviations:'"
    raise SpecError([Problem(_shown(path), *mark_of(tree, ()), what, remedy)])


def are_fatal(entries: Iterable[Deviation]) -> bool:
    """Whether an entry says that a case crashes the backend's process."""
    return any(entry.happens == Outcome.CRASHED for entry in entries)


def _entries(path: Path, within: tuple[str, ...]) -> list[Any]:
    """Return a file's entries, then those of the files that it includes.

    `within` are the files that it is included by.
    """
    tree, name = _tree(path), _shown(path)
    # Categories first: the schema would only call them unknown, and not say what to write.
    problems = list(_categories(tree, name)) or problems_of(tree, name, "deviations")
    if problems:
        raise SpecError(problems)
    entries = list(tree.get("deviations") or ())
    problems = [
        found for number in range(len(entries)) for found in _unreadable(tree, name, number)
    ]
    if problems:
        raise SpecError(problems)
    for position, other in enumerate(tree.get("include", ())):
        mark = mark_of(tree, ("include", position))
        included = path.with_name(f"{other}.yaml")
        if not included.exists():
            what, remedy = f"there is no {other}.yaml", "name a file of the same folder"
            raise SpecError([Problem(name, *mark, what, remedy)])
        if other in (*within, path.stem):
            raise SpecError([Problem(name, *mark, f"{other} includes itself", "remove it")])
        entries += _entries(included, (*within, path.stem))
    return entries


def _categories(tree: Map, name: str) -> Iterator[Problem]:
    """Report entries that state a category, as they once did, instead of a cause."""
    entries = tree.get("deviations")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Map) and "category" in entry:
            mark = entry.key_marks.get("category", mark_of(tree, ("deviations", number)))
            causes = REPLACED.get(str(entry["category"]), tuple(Cause))
            remedy = " or ".join(f"'cause: {cause}'" for cause in causes)
            what = f"an entry has no category ('{entry['category']}'): it follows from the cause"
            yield Problem(name, *mark, what, f"write {remedy}")


def _unreadable(tree: Map, name: str, number: int) -> Iterator[Problem]:
    """Report unreadable patterns and conditions, and a documented cause without a proper link."""
    entry = tree["deviations"][number]
    if entry["cause"] == Cause.DOCUMENTED and not leads_to_documentation(entry.get("link", "")):
        mark = mark_of(tree, ("deviations", number, "cause"))
        what = "what is documented needs a link to the page that says so, not to an issue"
        yield Problem(name, *mark, what, "link to that page, or write 'cause: undocumented'")
    try:
        re.compile(entry.get("message", ""))
    except (re.error, RecursionError, OverflowError) as error:
        mark = mark_of(tree, ("deviations", number, "message"))
        yield Problem(name, *mark, f"message cannot be read: {error}", "write a regular expression")
    for condition, example in (("threads", "1, say, or >=2"), ("version", "==2.13.0, or >=2.13")):
        try:
            SpecifierSet(_specifier(condition, entry.get("when", {}).get(condition, "")))
        except InvalidSpecifier as error:
            mark = mark_of(tree, ("deviations", number, "when", condition))
            yield Problem(name, *mark, f"{condition} cannot be read: {error}", f"write {example}")


def _specifier(condition: str, value: Any) -> str:
    """Return a condition as a specifier; a bare number of threads means exactly so many."""
    return f"=={value}" if condition == "threads" and str(value).isdecimal() else str(value)


def _deviation(entry: Mapping[str, Any]) -> Deviation:
    return Deviation(
        cases=tuple(entry["cases"]),
        happens=entry["happens"],
        cause=Cause(entry["cause"]),
        reason=entry["reason"],
        link=entry.get("link"),
        sometimes=entry.get("sometimes", False),
        message=entry.get("message", ""),
        conforms_as=entry.get("conforms_as", ""),
        **_conditions(entry.get("when", {})),
    )


def _conditions(when: Mapping[str, Any]) -> dict[str, Any]:
    sets = when.get("instructions", ())
    return {
        **when,
        "threads": _specifier("threads", when.get("threads", "")),
        "instructions": (sets,) if isinstance(sets, str) else tuple(sets),
    }


def explain(
    case: str, verdict: Verdict, info: BackendInfo, deviations: Iterable[Deviation]
) -> tuple[Verdict, Deviation | None]:
    """Turn a failure that an entry predicts into `deviated`, and an unexpected pass into `stale`.

    A failure of another kind, or with another message, stays a failure. Its message then begins
    with `changed`, and the entry is returned too. If several entries name the case, one that
    predicts what happened is used. If an entry says that the departure happens only sometimes, a
    pass is `deviated`.
    """
    happened = str(verdict.kind or verdict.outcome)
    entries = [d for d in deviations if d.concerns(case) and d.holds_for(info)]
    if not entries or verdict.outcome not in _JUDGED:
        return verdict, None
    # An entry that predicts what happened, or else one that allows a pass by chance.
    entry = min(entries, key=lambda d: (not d.foresees(happened, verdict.message), not d.sometimes))
    if entry.foresees(happened, verdict.message):
        return replace(verdict, outcome=Outcome.DEVIATED), entry
    if verdict.outcome is Outcome.PASSED and entry.sometimes:
        message = f"passes this time; known to be {entry.happens} by chance ({entry.reason})"
        return replace(verdict, outcome=Outcome.DEVIATED, message=message), entry
    if verdict.outcome is Outcome.PASSED:
        message = f"known to be {entry.happens} ({entry.reason}), but it passes: remove the entry"
        return Verdict(Outcome.STALE, message=message, notes=(Note.CONFORMS,)), entry
    message = f"{CHANGED}: known to be {entry.way}, now {happened}: {verdict.message}"
    return replace(verdict, message=message), entry


def held_to_spelling(verdict: Verdict, entry: Deviation, respelled: Verdict) -> Verdict:
    """Return `stale` if another spelling departs that the entry says conforms."""
    if verdict.outcome is not Outcome.DEVIATED or respelled.outcome is Outcome.PASSED:
        return verdict
    came = f"{respelled.kind or respelled.outcome}: {respelled.message}"
    message = f"known to conform as {entry.conforms_as}, but that is {came}"
    return Verdict(Outcome.STALE, message=message)


def unmatched(deviations: Iterable[Deviation], cases: Iterable[str]) -> list[Deviation]:
    """List the entries that name none of the cases."""
    cases = list(cases)
    return [entry for entry in deviations if not any(entry.concerns(case) for case in cases)]

"""What pytest collects: a spec file, and its (case, backend) pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from embcheck.conformance.pytest_recorder import ResultLines
from embcheck.conformance.suite.load import load_spec
from embcheck.conformance.suite.problems import SpecError

LADDERS = "sizes/"
"""The folder of the specs with ladders of sizes."""


class SpecFile(pytest.File):
    """One spec: its cases, each once for every backend."""

    shown_path: str | None = None
    """The path relative to where pytest was started; None before an item has found it."""

    def collect(self) -> Iterator[pytest.Item]:
        """Load the spec and give an item for each (case, backend) pair."""
        # Any, since its class is in the session's module, which imports this one.
        session: Any = self.config.pluginmanager.get_plugin("embcheck-session")
        spec = load_spec(self.path)
        session.spec_files[self.path] = None
        # A plain dict: pytest reads an item's keywords three times, and its own mapping asks all
        # parent folders each time.
        above = dict(self.keywords)
        for case in spec.cases:
            # Pytest would take brackets in a name for its own parameters.
            short = case.id.removeprefix(f"{spec.name}/").replace("[", ":").removesuffix("]")
            for backend in session.names:
                if not session.asks(case, backend):
                    continue
                name = f"{short}@{backend}"
                yield CaseItem.from_parent(
                    self, name=name, spec=spec, case=case, backend=backend, above=above
                )

    def repr_failure(  # type: ignore[override]  # as pytest's own collectors
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> Any:
        """Show a spec's problems without a traceback."""
        if isinstance(excinfo.value, SpecError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class CaseFailed(Exception):
    """A case departed."""


class CaseItem(pytest.Item):
    """One case on one backend."""

    parent: SpecFile

    def __init__(
        self, *, spec: Any, case: Any, backend: str, above: Mapping[str, Any], **options: Any
    ) -> None:
        super().__init__(**options)
        self.spec = spec
        self.case = case
        self.backend = backend
        self.embcheck_lines: ResultLines | None = None
        words = (str(case.spec.operation), str(case.level), *(c.id for c in case.clauses))
        self.extra_keyword_matches.update((backend, *words))  # What -k may name besides the id.
        self.keywords = {**above, self.name: True}

    def runtest(self) -> None:
        """Run the case; a departure fails, and unsupported or not-run cases skip with a reason."""
        session: Any = self.config.pluginmanager.get_plugin("embcheck-session")
        self.embcheck_lines = session.run(self.spec, self.case, self.backend)
        result = self.embcheck_lines.result
        self.user_properties += [("case", self.case.id), ("outcome", result.outcome)]
        if result.kind:
            self.user_properties.append(("kind", result.kind))
        if result.outcome in ("unsupported", "not-run"):
            pytest.skip(f"{result.outcome}: {result.message}")
        if result.outcome == "deviated":
            pytest.xfail(f"known {result.kind or ''} deviation: {result.message}")
        if result.outcome not in ("passed", "refused-earlier", "observed"):
            raise CaseFailed(_sentence(self, result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show departures, known ones too, as text, and anything else with its traceback."""
        if isinstance(excinfo.value, CaseFailed | pytest.xfail.Exception):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the place of the case."""
        return self.path, int(self.case.where.rsplit(":", 1)[1]) - 1, self.name

    @cached_property
    def location(self) -> tuple[str, int | None, str]:
        """The place of the case, relative to where pytest was started."""
        # Kept, since pytest would compute the same path for each of its hundreds of items.
        if self.parent.shown_path is None:
            self.parent.shown_path = super().location[0]
        return self.parent.shown_path, *self.reportinfo()[1:]


def quick_cases(items: Iterable[pytest.Item]) -> frozenset[str]:
    """Return the id of each clause's first case outside of the ladders of sizes, for any backend.

    A clause that only ladders cover has none.
    """
    first: dict[str, str] = {}
    for item in items:
        if isinstance(item, CaseItem) and not item.case.id.startswith(LADDERS):
            for clause in item.case.clauses:
                first.setdefault(clause.id, item.case.id)
    return frozenset(first.values())


def split(
    items: Iterable[pytest.Item], keep: Callable[[Any], bool]
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Split items into those to keep (chosen cases, and items that are not cases) and others."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        is_kept = not isinstance(item, CaseItem) or keep(item.case)
        (kept if is_kept else left_out).append(item)
    return kept, left_out


def ended(item: pytest.Item) -> pytest.TestReport:
    """Return a report of a teardown that had nothing to do."""
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome="passed",
        longrepr=None,
        when="teardown",
        user_properties=item.user_properties,
    )


def _sentence(item: CaseItem, result: Any) -> str:
    loudness = {True: "silent ", False: "loud "}.get(result.silent, "")
    kind = f" ({loudness}{result.kind})" if result.kind else ""
    clauses = "\n".join(f"  {clause.id}: {clause.statement}" for clause in item.case.clauses)
    return (
        f"{item.case.id} on {item.backend}: {result.outcome}{kind}\n"
        f"  {result.message}\n{clauses}\n  {item.case.where}"
    )

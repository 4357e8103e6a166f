"""A spec file is a pytest File, a (case, backend) pair an Item.

Active where `--embcheck-backend` is given. Works with -k, -x, --lf, -n (xdist) and --junitxml.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embcheck.conformance.suite.problems import SpecError

DEFAULT_TIMEOUT = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of embcheck."""
    group = parser.getgroup("embcheck", "conformance of embedding lookups")
    group.addoption(
        "--embcheck-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="run spec files on this backend (repeatable)",
    )
    group.addoption(
        "--embcheck-out", type=Path, metavar="DIR", help="write results.jsonl into this folder"
    )
    group.addoption(
        "--embcheck-timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="time for one call, first use and compiling included (default: %(default)s)",
    )
    group.addoption(
        "--embcheck-whole-suite",
        action="store_true",
        help="fail known deviations that match no case",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set the run up where a backend is named; nothing is imported otherwise."""
    names = config.getoption("--embcheck-backend")
    if not names:
        return
    from embcheck.conformance.execution.discovery import (  # noqa: PLC0415  (only when active)
        UnknownBackend,
        check_known,
    )

    try:
        check_known(names)
    except UnknownBackend as error:
        raise pytest.UsageError(str(error)) from None
    from embcheck.conformance.pytest_session import EmbcheckSession  # noqa: PLC0415

    config.pluginmanager.register(EmbcheckSession(config, names), "embcheck-session")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a spec file; YAML files in clauses/, workloads/ and deviations/ are none."""
    if file_path.suffix != ".yaml" or not parent.config.getoption("--embcheck-backend"):
        return None
    from embcheck.conformance.suite.load import NOT_SPECS  # noqa: PLC0415  (only when active)

    if file_path.parent.name in NOT_SPECS and not parent.session.isinitpath(file_path):
        return None
    collector: pytest.Collector = SpecFile.from_parent(parent, path=file_path)
    return collector


class SpecFile(pytest.File):
    """One spec: its cases, each once for every backend."""

    def collect(self) -> Iterator[pytest.Item]:
        """Load the spec and give an item for each (case, backend) pair."""
        from embcheck.conformance.suite.load import load_spec  # noqa: PLC0415  (only when active)

        session: Any = self.config.pluginmanager.get_plugin("embcheck-session")
        spec = load_spec(self.path)
        for case in spec.cases:
            # Brackets in a name would be taken for pytest's own parameters.
            short = case.id.removeprefix(f"{spec.name}/").replace("[", ":").removesuffix("]")
            for backend in session.names:
                yield CaseItem.from_parent(
                    self, name=f"{short}@{backend}", spec=spec, case=case, backend=backend
                )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what is wrong with a spec without a traceback."""
        if isinstance(excinfo.value, SpecError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class Departure(Exception):
    """A case did not come out as stated."""


class CaseItem(pytest.Item):
    """One case on one backend."""

    def __init__(self, *, spec: Any, case: Any, backend: str, **options: Any) -> None:
        super().__init__(**options)
        self.spec = spec
        self.case = case
        self.backend = backend
        self.lines: dict[str, Any] | None = None
        words = (str(case.spec.operation), str(case.level), *(c.id for c in case.clauses))
        self.extra_keyword_matches.update((backend, *words))

    def runtest(self) -> None:
        """Run the case; departures fail, the unsupported and the impossible skip with a reason."""
        session: Any = self.config.pluginmanager.get_plugin("embcheck-session")
        result, self.lines = session.run(self.spec, self.case, self.backend)
        self.user_properties.append(("outcome", result.outcome))
        if result.kind:
            self.user_properties.append(("kind", result.kind))
        if result.outcome in ("unsupported", "not-run"):
            pytest.skip(f"{result.outcome}: {result.message}")
        if result.outcome == "deviated":
            pytest.xfail(f"known {result.kind or ''} deviation: {result.message}")
        if result.outcome not in ("passed", "observed"):
            raise Departure(_sentence(self, result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show a departure as text, anything else with its traceback."""
        if isinstance(excinfo.value, Departure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Say where the case stands."""
        return self.path, int(self.case.where.rsplit(":", 1)[1]) - 1, self.name


def _sentence(item: CaseItem, result: Any) -> str:
    loudness = {True: "silent ", False: "loud "}.get(result.silent, "")
    clauses = "\n".join(f"  {clause.id}: {clause.statement}" for clause in item.case.clauses)
    return (
        f"{item.case.id} on {item.backend}: {result.outcome} ({loudness}{result.kind})\n"
        if result.kind
        else f"{item.case.id} on {item.backend}: {result.outcome}\n"
    ) + f"  {result.message}\n{clauses}\n  {item.case.where}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Let the lines of a result travel with its report, across xdist as well."""
    report = yield
    if isinstance(item, CaseItem) and report.when == "call" and item.lines is not None:
        report.embcheck_lines = item.lines
    return report

"""The pytest plugin: a spec file is a pytest File, a (case, backend) pair an Item.

Active if `--embcheck-backend` is given. Works with -k, -x, --lf, -n (xdist) and --junitxml.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

DEFAULT_TIMEOUT = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of embcheck."""
    group = parser.getgroup("embcheck", "conformance of embedding lookups")
    group.addoption(
        "--embcheck-backend",
        action="append",
        default=[],
        metavar="[LABEL=]ID[:PYTHON]",
        help="run spec files on this backend, under this interpreter (repeatable)",
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
        "--embcheck-all-specs",
        action="store_true",
        help="all shipped specs are given: fail known deviations that match no case of theirs",
    )
    group.addoption(
        "--embcheck-case",
        action="append",
        default=[],
        metavar="ID",
        help="run this case (repeatable); * stands for anything",
    )
    group.addoption(
        "--embcheck-quick",
        action="store_true",
        help="run the first case of each clause, and no ladder of sizes",
    )
    group.addoption(
        "--embcheck-large",
        action="store_true",
        help="also run the cases that need gigabytes of memory",
    )
    group.addoption(
        "--embcheck-threads",
        type=int,
        metavar="N",
        help="number of threads of each backend",
    )
    group.addoption(
        "--embcheck-instructions",
        metavar="NAME",
        help="widest set of vector instructions that backends may use",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set the run up if a backend is named; otherwise nothing is imported."""
    names = config.getoption("--embcheck-backend")
    if not names:
        return
    from embcheck.conformance.execution.address import BadAddress  # noqa: PLC0415  (when active)
    from embcheck.conformance.execution.discovery import UnknownBackend  # noqa: PLC0415
    from embcheck.conformance.execution.processor import NoSuchInstructions  # noqa: PLC0415
    from embcheck.conformance.pytest_session import EmbcheckSession  # noqa: PLC0415
    from embcheck.conformance.suite.problems import SpecError  # noqa: PLC0415

    # `embcheck run` launches workers before pytest, so that they start while specs are read.
    started = config.pluginmanager.get_plugin("embcheck-pool")
    try:
        session = EmbcheckSession(config, names, started and started.pool)
    except (BadAddress, NoSuchInstructions, SpecError, UnknownBackend) as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(session, "embcheck-session")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a spec file; YAML files in clauses/, workloads/ and deviations/ are not specs."""
    if file_path.suffix != ".yaml" or not parent.config.getoption("--embcheck-backend"):
        return None
    from embcheck.conformance.pytest_items import SpecFile  # noqa: PLC0415  (only when active)
    from embcheck.conformance.suite.load import NOT_SPECS  # noqa: PLC0415

    if file_path.parent.name in NOT_SPECS and not parent.session.isinitpath(file_path):
        return None
    collector: pytest.Collector = SpecFile.from_parent(parent, path=file_path)
    return collector


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Attach the lines of a result to its report; as text if xdist has to send it."""
    report = yield
    lines = getattr(item, "embcheck_lines", None)
    if lines is not None and report.when == "call":
        travels = hasattr(item.config, "workerinput")
        report.embcheck_lines = lines.to_text() if travels else lines
    return report

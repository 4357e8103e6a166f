"""Drive pytest over the suite, show progress, print the summary, and find the exit code."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from embcheck.conformance import pytest_plugin
from embcheck.conformance.execution.discovery import UnknownBackend, check_known
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.pytest_session import EmbcheckSession
from embcheck.conformance.records.run import FILE_NAME, read_runs
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.terminal import print_conformance


def run_suite(
    backends: list[str], specs: list[Path], keyword: str, workers: int, out: Path, timeout: float
) -> int:
    """Run specs on backends; return an exit code as `ExitCode` names them."""
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        check_known(backends)
        paths = spec_files(specs)
        for path in paths:
            load_spec(path)
    except (UnknownBackend, SpecError) as error:
        errors.print(f"embcheck: {error}" if isinstance(error, UnknownBackend) else str(error))
        return ExitCode.USAGE
    watcher = _Watcher()
    whole = not specs and not keyword
    status = _run_pytest(backends, paths, keyword, workers, out, timeout, whole, watcher)
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        errors.print("embcheck: nothing is selected; relax -k or name other --specs")
        return ExitCode.USAGE
    if status == pytest.ExitCode.INTERRUPTED and not watcher.session:
        return ExitCode.USAGE
    if watcher.session is None or status in (
        pytest.ExitCode.INTERNAL_ERROR,
        pytest.ExitCode.USAGE_ERROR,
    ):
        return ExitCode.HARNESS
    print_conformance(read_runs(out), Console(highlight=False))
    for complaint in watcher.session.complaints:
        errors.print(complaint)
    click_path = out / FILE_NAME
    print(click_path)  # noqa: T201  (the last line is for scripts)
    if status == pytest.ExitCode.INTERRUPTED:
        errors.print("embcheck: interrupted; the results so far are recorded")
        return 130
    return watcher.session.exit_code


def _run_pytest(
    backends: list[str],
    paths: list[Path],
    keyword: str,
    workers: int,
    out: Path,
    timeout: float,
    whole: bool,
    watcher: _Watcher,
) -> int:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "pytest.ini")
        settings.write_text("[pytest]\n", "utf-8")
        arguments = [
            *("-c", str(settings), "--rootdir", str(Path.cwd()), "-p", "no:cacheprovider"),
            # The workers keep what is printed; these would cost more than the cases themselves.
            *("--capture=no", "-p", "no:logging", "-p", "no:warnings", "-p", "no:faulthandler"),
            *("-p", "no:terminal", "-p", pytest_plugin.__name__),
            *(f"--embcheck-backend={name}" for name in backends),
            f"--embcheck-out={out}",
            f"--embcheck-timeout={timeout}",
            f"--junitxml={out / 'junit.xml'}",
            *(["-k", keyword] if keyword else []),
            *(["-p", "xdist.plugin", "-n", str(workers)] if workers else []),
            *(["--embcheck-whole-suite"] if whole else []),
            *map(str, paths),
        ]
        with watcher.progress:
            return int(pytest.main(arguments, plugins=[watcher]))


class _Watcher:
    """Shows progress, and keeps hold of embcheck's session."""

    def __init__(self) -> None:
        self.session: EmbcheckSession | None = None
        self.progress = Progress(
            TextColumn("conformance"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self.progress.add_task("cases", total=None)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.session = session.config.pluginmanager.get_plugin("embcheck-session")
        if session.items:
            self.progress.update(self._task, total=len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        self.session = node.config.pluginmanager.get_plugin("embcheck-session")  # type: ignore[attr-defined]
        self.progress.update(self._task, total=len(ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.progress.advance(self._task)

"""Drive pytest over the suite, show progress, print the summary, and find the exit code."""

from __future__ import annotations

import ctypes
import gc
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from embcheck.cli.actions import INTERRUPTED
from embcheck.cli.faults import system_words, tell_fault
from embcheck.cli.progress import Progressed
from embcheck.conformance import pytest_plugin
from embcheck.conformance.contract.cache import cache_place, why_not_ours
from embcheck.conformance.execution.absence import NoneAvailable
from embcheck.conformance.execution.address import BadAddress
from embcheck.conformance.execution.client import BackendUnavailable
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.execution.judging.deviations import are_fatal, load_deviations
from embcheck.conformance.execution.pool import BackendPool
from embcheck.conformance.execution.processes.scratch import Scratch
from embcheck.conformance.execution.processor import NoSuchInstructions, processor_environment
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.pytest_items import CaseItem
from embcheck.conformance.pytest_session import EmbcheckSession
from embcheck.conformance.records.claim import InUse, claimed
from embcheck.conformance.records.run import FILE_NAME, RecordError
from embcheck.conformance.suite.case_names import named
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.terminal.backends import none_text
from embcheck.reports.terminal.summary import print_conformance
from embcheck.reports.untrusted import one_line

JUNIT = "junit.xml"
SWITCH_SECONDS = 0.0005
"""How long a thread may keep Python's lock. The threads that wait for answers need it briefly;
with the usual 5 ms, workers would be idle while pytest does its bookkeeping."""
MEMORY_SETTINGS = {-8: 1, -3: 32 * 2**20, -1: 256 * 2**20}
"""By their numbers in `malloc.h`: one pool for all threads (M_ARENA_MAX), with blocks up to 32 MiB
(M_MMAP_THRESHOLD), which keeps 256 MiB that are free (M_TRIM_THRESHOLD)."""

_UNUSED = (
    *("capture", "logging", "warnings", "faulthandler", "unraisableexception", "threadexception"),
    *("unittest", "doctest", "tmpdir", "assertion", "subtests"),
)
"""Pytest's plugins that have nothing to do here, and take longer than a case itself.

Output is not captured here, since clients keep what their workers print.
"""


@dataclass(frozen=True)
class Chosen:
    """Which cases to run, from which specs; all shipped specs if there are none."""

    specs: list[Path]
    keyword: str
    cases: tuple[str, ...]
    quick: bool
    large: bool


@dataclass(frozen=True)
class Setting:
    """How to run them, and the folder for the results."""

    workers: int
    out: Path
    timeout: float
    threads: int | None = None
    instructions: str | None = None


def run_suite(backends: list[str], chosen: Chosen, setting: Setting) -> int:
    """Run cases on backends; return an exit code as `ExitCode` names them, or 130 for Ctrl-C."""
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    sys.setswitchinterval(SWITCH_SECONDS)
    _keep_memory()
    try:
        environment = processor_environment(setting.threads, setting.instructions)
        pool = BackendPool(backends, setting.timeout, environment)
    except (BadAddress, UnknownBackend, NoSuchInstructions) as error:
        errors.print(f"embcheck: {error}")
        return ExitCode.USAGE
    if (reason := why_not_ours(cache_place())) is not None:
        errors.print(f"embcheck: the backends' cache is not used: {one_line(reason, 300)}")
    # All that is read and collected stays alive to the end: collecting garbage would find nothing.
    gc.disable()
    claim = ExitStack()
    try:
        if setting.out.is_dir():
            claim.enter_context(claimed(setting.out))
        if not chosen.specs:
            # The libraries are imported while the shipped specs are read. A user's own specs are
            # read first: what a case expects must be settled before any backend's code runs.
            pool.launch(_crashing(pool))
        progress = claim.enter_context(Progressed("results", title="conformance"))
        progress.tell(doing="reading the specs")
        paths = _checked(chosen)
        progress.tell(doing=f"starting {', '.join(pool.names)}")
        _start(pool)
        # Made only now that the request is known to be valid. A folder that was there before is
        # claimed twice.
        setting.out.mkdir(parents=True, exist_ok=True)
        claim.enter_context(claimed(setting.out))
        return _run(_Watcher(pool, progress), _Request(paths, chosen, setting), errors)
    except (SpecError, NoneAvailable) as error:
        errors.print(none_text(error.reasons) if isinstance(error, NoneAvailable) else str(error))
        return ExitCode.USAGE
    except (NoSuchCase, InUse, RecordError) as error:
        errors.print(f"embcheck: {error.args[0]}")
        return ExitCode.USAGE
    except OSError as error:
        errors.print(f"embcheck: {system_words(error)}")
        return ExitCode.USAGE
    except KeyboardInterrupt:
        pool.stop()
        gc.freeze()  # The interpreter must end soon, without a search for garbage.
        errors.print("embcheck: interrupted before a case was run; nothing is recorded")
        return INTERRUPTED
    finally:
        gc.enable()
        pool.close()
        claim.close()


def _keep_memory() -> None:
    """Reuse the memory of arrays for the next ones, rather than return it and zero it again."""
    with suppress(AttributeError, OSError):  # Only the C library of Linux has `mallopt`.
        allot = ctypes.CDLL(None).mallopt
        for setting, value in MEMORY_SETTINGS.items():
            allot(setting, value)


class NoSuchCase(Exception):
    """No case has a name that was given; the message says which."""


@dataclass(frozen=True)
class _Request:
    """What to run, from which files, and how."""

    paths: list[Path]
    chosen: Chosen
    setting: Setting


def _run(watcher: _Watcher, request: _Request, errors: Console) -> int:
    try:
        status = _run_pytest(request, watcher)
    except KeyboardInterrupt:  # While it starts or ends, pytest leaves Ctrl-C to its caller.
        watcher.pool.stop()
        watcher.is_interrupted, status = True, pytest.ExitCode.INTERRUPTED
    finally:
        watcher.progress.stop()
    stopped = _stopped(status, watcher, errors)
    if watcher.session is None or stopped not in (None, INTERRUPTED):
        return ExitCode.HARNESS if stopped is None else stopped
    if stopped == INTERRUPTED and not watcher.session.recorded:
        return INTERRUPTED
    out = request.setting.out
    print_conformance(watcher.session.recorder.runs(), Console(highlight=False))
    if watcher.unwritten is not None:
        errors.print(f"embcheck: cannot write {JUNIT}: {system_words(watcher.unwritten)}")
    # After the summary, which is long: what to do must be seen last.
    for complaint in watcher.session.complaints:
        errors.print(complaint)
    if stopped is None and (reason := watcher.session.recorder.why_nothing_is_judged()):
        errors.print(f"embcheck: {one_line(reason, 400)}")
    if stopped is None and watcher.session.exit_code == ExitCode.DEPARTS:
        errors.print(f"embcheck: to explain what departs: embcheck triage {out}")
    print(out / FILE_NAME)  # noqa: T201  (the last line is for scripts)
    if stopped is None and not watcher.session.is_complete:
        errors.print("embcheck: some results are missing: a fault of the harness; please report it")
        return ExitCode.HARNESS
    code = watcher.session.exit_code if stopped is None else stopped
    # A file that could not be written makes a good run fail, but does not hide another failure.
    return code or ExitCode.USAGE if watcher.unwritten is not None else code


def _crashing(pool: BackendPool) -> list[str]:
    """Return the backends that some cases are known to crash."""
    named = pool.addresses.items()
    return [label for label, address in named if are_fatal(load_deviations(address.id))]


def _start(pool: BackendPool) -> None:
    """Start the backends; raise NoneAvailable if none of them can run here."""
    pool.start()
    problems = {name: pool.problem(name) for name in pool.names}
    if all(isinstance(problem, BackendUnavailable) for problem in problems.values()):
        raise NoneAvailable(problems)


def _checked(chosen: Chosen) -> list[Path]:
    """Return the spec files, all of them valid; raise SpecError or NoSuchCase."""
    paths = spec_files(chosen.specs)
    ids = {case.id for path in paths for case in load_spec(path).cases}
    try:
        named(chosen.cases, ids)
    except LookupError as error:
        raise NoSuchCase(error.args[0]) from None
    _check_keyword(chosen.keyword, ids)
    return paths


def _check_keyword(keyword: str, ids: Collection[str]) -> None:
    """Raise NoSuchCase if a case's id is given to -k, which would find nothing."""
    try:
        is_case = "/" in keyword and bool(named([keyword], ids))
    except LookupError:
        is_case = False
    if is_case or "[" in keyword:
        said = "is a case's id" if is_case else "has brackets"
        raise NoSuchCase(f"-k takes words of names, and '{keyword}' {said}: --case takes ids")


def _stopped(status: int, watcher: _Watcher, errors: Console) -> int | None:
    """Return the exit code of a session that stopped early; None if it ended."""
    if watcher.session is not None and watcher.session.recorder.lost is not None:
        errors.print(f"embcheck: {watcher.session.recorder.lost}")
        return ExitCode.USAGE
    if watcher.fault is not None:
        return _told_fault(watcher.fault, watcher, errors)
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        errors.print("embcheck: nothing is selected; relax -k, name other --specs, or add --large")
        return ExitCode.USAGE
    if status == pytest.ExitCode.INTERRUPTED and watcher.is_interrupted:
        recorded = watcher.session.recorded if watcher.session else ""
        errors.print(f"embcheck: interrupted; {recorded or 'nothing is recorded'}")
        return INTERRUPTED
    # Pytest calls it an interruption too if a file cannot be collected.
    usage = dict.fromkeys(
        (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED), ExitCode.USAGE
    )
    return {**usage, pytest.ExitCode.INTERNAL_ERROR: ExitCode.HARNESS}.get(pytest.ExitCode(status))


def _told_fault(fault: BaseException, watcher: _Watcher, errors: Console) -> int:
    code = tell_fault(fault)
    if watcher.session is not None and (count := watcher.session.recorder.recorded):
        errors.print(f"embcheck: {count} results so far are recorded")
    return code


def _run_pytest(request: _Request, watcher: _Watcher) -> int:
    chosen, setting = request.chosen, request.setting
    with Scratch() as folder:
        settings, junit = Path(folder, "pytest.ini"), Path(folder, JUNIT)
        # An empty file of settings, or pytest would read those of the current folder.
        settings.write_text("[pytest]\n", "utf-8")
        arguments = [
            *("-c", str(settings), "--rootdir", str(Path.cwd()), "-p", "no:cacheprovider"),
            *(word for plugin in _UNUSED for word in ("-p", f"no:{plugin}")),
            # The terminal's reports are embcheck's own: progress, and the summary after it.
            *("-p", "no:terminal", "-p", pytest_plugin.__name__),
            *(f"--embcheck-backend={name}" for name in watcher.pool.texts),
            f"--embcheck-out={setting.out}",
            f"--embcheck-timeout={setting.timeout}",
            f"--junitxml={junit}",
            *(["-k", chosen.keyword] if chosen.keyword else []),
            *(f"--embcheck-case={name}" for name in chosen.cases),
            *(["--embcheck-quick"] if chosen.quick else []),
            *(["--embcheck-large"] if chosen.large else []),
            *([f"--embcheck-threads={setting.threads}"] if setting.threads else []),
            *([f"--embcheck-instructions={setting.instructions}"] if setting.instructions else []),
            *([] if chosen.specs else ["--embcheck-all-specs"]),
            *(["-p", "xdist.plugin", "-n", str(setting.workers)] if setting.workers else []),
            *map(str, request.paths),
        ]
        status = int(pytest.main(arguments, plugins=[watcher]))
        watcher.keep(junit, setting.out)
        return status


@dataclass
class _StartedPool:
    """The workers that are starting, registered under the name that embcheck's plugin looks up."""

    pool: BackendPool


class _Watcher:
    """A pytest plugin that shows progress, keeps embcheck's session, and gives it the workers."""

    def __init__(self, pool: BackendPool, progress: Progressed) -> None:
        self.pool = pool
        self.progress = progress
        self.session: EmbcheckSession | None = None
        self.is_interrupted = False
        self.fault: BaseException | None = None
        self.unwritten: OSError | None = None
        self._items: dict[str, CaseItem] = {}

    def pytest_addhooks(self, pluginmanager: pytest.PytestPluginManager) -> None:
        pluginmanager.register(_StartedPool(self.pool), "embcheck-pool")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # Pytest calls it an interruption too if a file cannot be collected.
        self.is_interrupted = not isinstance(excinfo.value, pytest.Session.Interrupted)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        """Keep the error, so that pytest does not print its traceback."""
        self.fault = excinfo.value
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Iterator[None]:
        """Go on if pytest cannot write the JUnit file: the results are in the record."""
        try:
            return (yield)
        except OSError as error:
            self.unwritten = error

    def keep(self, junit: Path, out: Path) -> None:
        """Copy the JUnit file, if there is one, to the results."""
        # Under another name first, so that nobody who watches the folder reads half a file.
        unfinished = out / f"{JUNIT}.part"
        try:
            if junit.exists():
                shutil.copyfile(junit, unfinished)
                unfinished.replace(out / JUNIT)
        except OSError as error:
            self.unwritten = self.unwritten or error
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.session = session.config.pluginmanager.get_plugin("embcheck-session")
        if session.items:
            self.progress.tell(total=len(session.items))
            self._items = {i.nodeid: i for i in session.items if isinstance(i, CaseItem)}
        # What was collected stays alive to the end; what cases leave behind is garbage as usual.
        gc.freeze()
        gc.enable()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        # With xdist, this process collects nothing itself: its workers report what they collected.
        self.session = node.config.pluginmanager.get_plugin("embcheck-session")  # type: ignore[attr-defined]
        self.progress.tell(total=len(ids))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        item = self._items.get(nodeid)  # With xdist, only its processes have the items.
        if item is not None:
            self.progress.tell(doing=f"{item.backend} at {item.case.id}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.progress.advance()

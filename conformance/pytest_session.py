"""One pytest session with backends: its workers, and the recording of their results."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from os.path import normpath
from pathlib import Path

import pytest

from embcheck.conformance.contract.operation import is_for
from embcheck.conformance.execution.client import BackendUnavailable
from embcheck.conformance.execution.judging.deviations import (
    are_fatal,
    explain,
    held_to_spelling,
    load_deviations,
    unmatched,
)
from embcheck.conformance.execution.judging.verdict import Note, Outcome, Verdict
from embcheck.conformance.execution.lookahead import Lookahead
from embcheck.conformance.execution.pool import BackendPool
from embcheck.conformance.execution.processes.starter import ENVIRONMENT
from embcheck.conformance.execution.processor import processor_environment
from embcheck.conformance.execution.run_case import CaseResult
from embcheck.conformance.exit_codes import ExitCode, gravest
from embcheck.conformance.pytest_items import CaseItem, ended, quick_cases, split
from embcheck.conformance.pytest_recorder import Recorder, ResultLines
from embcheck.conformance.records.describe import case_line, clause_line, described, result_line
from embcheck.conformance.records.environment import describe_environment, embcheck_version
from embcheck.conformance.records.lines import CaseLine, ClauseLine, ResultLine, RunHeader
from embcheck.conformance.records.writer import now
from embcheck.conformance.suite.case_names import named
from embcheck.conformance.suite.identity import suite_fingerprint
from embcheck.conformance.suite.load import spec_files
from embcheck.conformance.suite.model import Case, Spec

QUICK = "--embcheck-quick"
TRIED_ALONE = 25
"""How many failures of a backend are tried again, each in a fresh worker, which takes seconds."""
_FAULTS = (Outcome.FAILED, Outcome.CRASHED)


class EmbcheckSession:
    """A pytest plugin object that lives as long as a session with backends does."""

    def __init__(
        self, config: pytest.Config, addresses: list[str], pool: BackendPool | None = None
    ) -> None:
        self.exit_code = ExitCode.CONFORMS
        self._config = config
        self._pool = pool or _make_pool(config, addresses)
        self.names = self._pool.names
        self._deviations = {
            label: load_deviations(address.id) for label, address in self._pool.addresses.items()
        }
        self.recorder = Recorder()
        self._started = False
        self.spec_files: dict[Path, None] = {}
        self._left_out: set[str] = set()
        self._not_asked: set[str] = set()
        self._unexplained: Counter[str] = Counter()
        self._described: dict[str, tuple[CaseLine, tuple[ClauseLine, ...]]] = {}
        self.complaints: list[str] = []
        self._lookahead: Lookahead | None = None

    @property
    def _is_xdists(self) -> bool:
        """Whether this process is a worker of xdist."""
        return hasattr(self._config, "workerinput")

    @property
    def _hands_out(self) -> bool:
        """Whether this process distributes its items to xdist's workers."""
        return not self._is_xdists and self._config.getoption("dist", "no") != "no"

    def run(self, spec: Spec, case: Case, backend: str) -> ResultLines:
        """Run a case on a backend; return the lines of its record."""
        self._start()
        ran = self._result(case, backend)
        verdict, deviation = ran.verdict, None
        # Whether deviations apply depends on the info, which a backend that cannot run lacks.
        if self._pool.problem(backend) is None:
            info = self._pool.info(backend)
            verdict, deviation = explain(case.id, verdict, info, self._deviations[backend])
            if deviation is not None and ran.respelled is not None:
                verdict = held_to_spelling(verdict, deviation, ran.respelled)
            verdict = self._tried_alone(case, backend, verdict)
        result = result_line(case, backend, ran, verdict, deviation)
        return ResultLines(result, *self._describe(case, spec.behaviour))

    def _tried_alone(self, case: Case, backend: str, verdict: Verdict) -> Verdict:
        """Repeat an unexplained failure in a fresh worker, and say if it passes there."""
        if verdict.outcome not in _FAULTS:
            return verdict
        self._unexplained[backend] += 1
        if self._unexplained[backend] > TRIED_ALONE:
            return verdict
        again = self._pool.fresh_runner(backend).run(case).verdict
        if again.outcome is not Outcome.PASSED:
            return verdict
        said = f"only after other calls: alone it passes ({verdict.message})"
        return replace(verdict, message=said, notes=(*verdict.notes, Note.ONLY_AFTER_OTHERS))

    def asks(self, case: Case, backend: str) -> bool:
        """Whether a case is for a backend: probes and stored tables are for few of them."""
        operation, scheme = case.spec.operation, case.spec.options.get("scheme")
        if is_for(operation, scheme, (), ()):
            return True
        self._start()
        if self._pool.problem(backend) is not None:  # What it declares is not known.
            return True
        info = self._pool.info(backend)
        if is_for(operation, scheme, info.operations, info.schemes):
            return True
        self._not_asked.add(case.id)
        return False

    def _describe(self, case: Case, behaviour: str) -> tuple[CaseLine, tuple[ClauseLine, ...]]:
        """Return the lines of a case and its clauses, made once for all backends."""
        if case.id not in self._described:
            clauses = tuple(map(clause_line, case.clauses))
            self._described[case.id] = case_line(case, behaviour), clauses
        return self._described[case.id]

    def _result(self, case: Case, backend: str) -> CaseResult:
        problem = self._pool.problem(backend)
        if isinstance(problem, BackendUnavailable):
            said = f"unavailable: {problem}"
            return CaseResult(Verdict(Outcome.NOT_RUN, message=said, notes=(Note.UNAVAILABLE,)))
        if problem is not None:
            return CaseResult(Verdict(Outcome.ERRORED, message=str(problem)))
        if self._lookahead is not None:
            return self._lookahead.result(case, backend)
        return self._run_case(case, backend)

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Let the backends work ahead if this process runs all items in order."""
        if self._hands_out or self._is_xdists or session.config.option.collectonly:
            return
        self._start()
        pairs = [
            (item.case, item.backend)
            for item in session.items
            if isinstance(item, CaseItem) and self._pool.problem(item.backend) is None
        ]
        self._lookahead = Lookahead(pairs, self._run_case)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Run a case without pytest's phases for fixtures, as it has none.

        They would take longer than the case. Reporters wait for the end of the second phase, so it
        is reported.
        """
        if not isinstance(item, CaseItem):
            return None
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        # These end a session; pytest's own protocol lets them through too.
        stops = (KeyboardInterrupt, pytest.exit.Exception)
        call = pytest.CallInfo.from_call(item.runtest, "call", reraise=stops)
        report = hook.pytest_runtest_makereport(item=item, call=call)
        hook.pytest_runtest_logreport(report=report)
        item.embcheck_lines = None  # They are recorded, or on their way to xdist's main process.
        hook.pytest_runtest_logreport(report=ended(item))
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _run_case(self, case: Case, backend: str, copy: int = 0) -> CaseResult:
        """Run a case; if a known deviation says that a spelling conforms, run that one too."""
        runner, info = self._pool.runner(backend, copy), self._pool.info(backend)
        ran = described(runner.run(case))
        verdict, deviation = explain(case.id, ran.verdict, info, self._deviations[backend])
        if deviation is None or not deviation.conforms_as or verdict.outcome != Outcome.DEVIATED:
            return ran
        return replace(ran, respelled=described(runner.run(case, deviation.conforms_as)).verdict)

    def _end_workers(self) -> None:
        if self._lookahead is not None:
            self._lookahead.stop()
            self._pool.stop()  # Threads that wait for an answer continue when the worker is dead.
            self._lookahead.join()
        self._pool.close()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            crashing = [name for name, entries in self._deviations.items() if are_fatal(entries)]
            self._pool.start(crashing)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect large cases, and cases that are neither named nor quick, as the options say.

        Raises UsageError for a name that matches no case that -k selects.
        """
        large = self._config.getoption("--embcheck-large")
        kept, left_out = split(items, lambda case: large or not case.large)
        self._left_out |= {item.case.id for item in left_out if isinstance(item, CaseItem)}
        names, quick = self._config.getoption("--embcheck-case"), self._config.getoption(QUICK)
        if names or quick:
            chosen = self._named(names, items) | (quick_cases(kept) if quick else frozenset())
            kept, others = split(kept, lambda case: case.id in chosen)
            left_out += others
        items[:] = kept
        if left_out:
            self._config.hook.pytest_deselected(items=left_out)

    def _named(self, names: Iterable[str], items: Iterable[pytest.Item]) -> frozenset[str]:
        asked = {item.case.id for item in items if isinstance(item, CaseItem)}
        found: set[str] = set()
        for name in names:
            try:
                cases = named([name], asked | self._not_asked)
            except LookupError as error:
                raise pytest.UsageError(error.args[0]) from None
            if not cases & asked:
                said = f"'{name}' is for other backends only, not for {', '.join(self.names)}"
                raise pytest.UsageError(said)
            found |= cases
        return frozenset(found)

    def _selection(self) -> str:
        """Say which cases of the shipped suite are run; empty for all but the large ones."""
        keyword = self._config.getoption("keyword", "")
        parts = {
            "the named specs": not self._config.getoption("--embcheck-all-specs"),
            f"-k {keyword}": keyword,
            "one case of each clause": self._config.getoption(QUICK),
            **dict.fromkeys(self._config.getoption("--embcheck-case"), True),
        }
        return ", ".join(part for part, given in parts.items() if given)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Open the record once the number of items is known."""
        if isinstance(sys.exception(), KeyboardInterrupt):  # Also called after one.
            return
        self._refuse_equal_ids(session.items)
        if not self._hands_out and session.items and not session.config.option.collectonly:
            self._open(len(session.items))

    @staticmethod
    def _refuse_equal_ids(items: Iterable[pytest.Item]) -> None:
        """Refuse two cases with one id; files and folders with the same names can have them."""
        seen: dict[tuple[str, str], CaseItem] = {}
        for item in items:
            if isinstance(item, CaseItem):
                other = seen.setdefault((item.case.id, item.backend), item)
                if other is not item:
                    raise pytest.UsageError(
                        f"{item.case.where}: the case id '{item.case.id}' stands in "
                        f"{other.case.where} too; rename one of the files or folders"
                    )

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Open the record when the first of xdist's workers has collected."""
        if ids and not self.recorder.is_open:
            self._open(len(ids))
            self._pool.close()  # They were needed for the header; xdist's have their own.

    def _open(self, planned: int) -> None:
        folder = self._config.getoption("--embcheck-out")
        if folder is None or self._is_xdists:
            return
        self._start()
        header = RunHeader(
            purpose="conformance",
            started=now(),
            embcheck=embcheck_version(),
            suite=self._suite(),
            environment=describe_environment(),
            backends=tuple(self._pool.describe(name) for name in self.names),
            planned=planned,
            settings={
                "selection": self._selection(),
                "timeout_seconds": self._config.getoption("--embcheck-timeout"),
                "workers": " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items()),
                **{
                    key: self._config.getoption(f"--embcheck-{key}")
                    for key in ("large", "threads", "instructions")
                    if self._config.getoption(f"--embcheck-{key}")
                },
                **({} if self._config.getoption("--embcheck-all-specs") else {"named_specs": True}),
            },
        )
        self.recorder.open(folder, header)

    def _suite(self) -> str:
        """Return the digest of the suite: of all shipped specs, or of those that are named."""
        files: Iterable[Path] = self.spec_files
        if self._config.getoption("--embcheck-all-specs"):
            files = spec_files()
        elif self._hands_out:  # Only xdist's workers have collected, by these arguments.
            place = self._config.invocation_params.dir
            named = (place / name.partition("::")[0] for name in self._config.args)
            files = spec_files(Path(normpath(path)) for path in named)
        return suite_fingerprint(files)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a result, whose lines come with its report."""
        lines = getattr(report, "embcheck_lines", None)
        if lines is None:
            return
        found = ResultLines.from_text(lines) if isinstance(lines, str) else lines
        self.exit_code = gravest([self.exit_code, _exit_code(found.result)])
        if self.recorder.is_open:  # A worker of xdist only passes lines on.
            self.recorder.add(found)
            report.embcheck_lines = None  # type: ignore[attr-defined]  # pytest keeps its reports

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End the workers, and the record if it is complete; a partial run gets no footer."""
        self._end_workers()
        if self.is_complete and not self._selection():  # A partial run met few cases.
            self.complaints += self._unmatched_deviations()
        self.complaints += self._pool.complaints()
        self.complaints += [
            f"{name}: {count} failures are not explained; the first {TRIED_ALONE} were tried alone"
            for name, count in self._unexplained.items()
            if count > TRIED_ALONE
        ]
        if self.complaints:
            self.exit_code = gravest([self.exit_code, ExitCode.DEPARTS])
        if self.recorder.why_nothing_is_judged():
            self.exit_code = gravest([self.exit_code, ExitCode.USAGE])
        if self.is_complete:
            self.recorder.finish(session, self.exit_code)

    @property
    def recorded(self) -> str:
        """Say how much is recorded; empty before the record is opened."""
        recorder = self.recorder
        said = f"{recorder.recorded:,} of {recorder.planned:,} results are recorded"
        return said if recorder.planned else ""

    @property
    def is_complete(self) -> bool:
        """Whether every planned result is recorded."""
        return self.recorder.recorded == self.recorder.planned

    def _unmatched_deviations(self) -> list[str]:
        """Name known deviations that match no case of a whole run; they fail it."""
        return [
            f"deviations/{name}.yaml: {', '.join(entry.cases)} matches no case; remove the entry"
            for name in self.names
            for entry in unmatched(self._deviations[name], self.recorder.written | self._left_out)
        ]

    def pytest_unconfigure(self) -> None:
        """Close what an interruption left open."""
        self._end_workers()
        self.recorder.close()


def _make_pool(config: pytest.Config, addresses: list[str]) -> BackendPool:
    """Make workers with the wanted threads and instructions."""
    asked = (config.getoption(f"--embcheck-{key}") for key in ("threads", "instructions"))
    timeout = config.getoption("--embcheck-timeout")
    return BackendPool(addresses, timeout, processor_environment(*asked))


def _exit_code(result: ResultLine) -> ExitCode:
    if result.outcome in (Outcome.FAILED, Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.STALE):
        return ExitCode.DEPARTS
    if result.outcome == Outcome.ERRORED:
        return ExitCode.HARNESS
    if Note.UNAVAILABLE in result.notes:
        return ExitCode.USAGE
    return ExitCode.CONFORMS

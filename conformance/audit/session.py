"""Audit results: write the call as a script, run it without the adapter, and judge its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from embcheck.conformance.audit.draw import group_of
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.absence import NoneAvailable
from embcheck.conformance.execution.address import parse_addresses
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.judging.causes import Cause
from embcheck.conformance.execution.judging.judge import judge_rejects, judge_returns
from embcheck.conformance.execution.judging.verdict import Outcome, Verdict
from embcheck.conformance.execution.pool import REFERENCE
from embcheck.conformance.execution.protocol.answers import Answer, Answered, Rejected
from embcheck.conformance.execution.run_case import ReferenceFailed, wanted_by_reference
from embcheck.conformance.records.lines import ResultLine
from embcheck.conformance.reproduction.alone import Program, ask_alone
from embcheck.conformance.reproduction.literals import NotWritable
from embcheck.conformance.reproduction.script import program
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Case, Rejects, Returns, Steps
from embcheck.conformance.suite.real_data import Missing

SECONDS = 120.0
"""Time for one call of a library alone, including imports and compilation."""


@dataclass(frozen=True)
class Audited:
    """A result, the outcome of the library alone, and the finding.

    `finding` is empty if both agree. `unwritten` says why there is no script.
    """

    result: ResultLine
    script: Path | None = None
    alone: str = ""
    finding: str = ""
    unwritten: str = ""


def audit(
    results: Sequence[ResultLine],
    addresses: Iterable[str],
    folder: Path,
    told: Callable[[str], None] = lambda _: None,
) -> Iterator[Audited]:
    """Audit results, backend by backend; scripts are written to the folder, one for each call.

    `told` is called with each backend's label before its results. Raises BadAddress and
    UnknownBackend. The results of a backend that cannot start are unwritten. If no backend is
    available, NoneAvailable is raised at the end, and no folder is made.
    """
    cases = {case.id: case for path in spec_files(()) for case in load_spec(path).cases}
    reference = WorkerClient(REFERENCE)
    gone: dict[str, BackendUnavailable] = {}
    parsed = parse_addresses(addresses)
    try:
        for address in parsed:
            drawn = [found for found in results if found.backend == address.label]
            told(address.label)
            worker = WorkerClient(address, timeout=SECONDS)
            try:
                # A backend without results in the sample need not be started.
                if drawn:
                    _ = worker.info
                yield from _Audit(worker, reference, cases, folder, address.python).audit(drawn)
            except (BackendUnavailable, BackendBroken) as reason:
                yield from (Audited(one, unwritten=str(reason)) for one in drawn)
                if isinstance(reason, BackendUnavailable):
                    gone[address.label] = reason
            finally:
                worker.close()
    finally:
        reference.close()
    # Raised at the end, so that every result has been given with its reason before.
    if gone and len(gone) == len(parsed):
        raise NoneAvailable(gone)


class _Audit:
    """The audit of one backend's results."""

    def __init__(
        self,
        worker: WorkerClient,
        reference: WorkerClient,
        cases: Mapping[str, Case],
        folder: Path,
        python: str,
    ) -> None:
        self._worker, self._reference, self._cases = worker, reference, cases
        self._folder, self._python = folder, python

    def audit(self, results: Sequence[ResultLine]) -> Iterator[Audited]:
        """Write all scripts, run them, and compare; results without a script come first."""
        written: list[tuple[ResultLine, Case, Program]] = []
        for number, result in enumerate(results):
            try:
                case = self._one_call(result)
                written.append((result, case, self._write(case, number)))
            except (NotWritable, Missing, BackendUnavailable, BackendBroken) as reason:
                yield Audited(result, unwritten=str(reason))
        # All together, so that a library is imported once for all of them.
        programs = [entry for _, _, entry in written]
        answers = ask_alone(programs, self._worker.info, self._python, SECONDS) if written else []
        for (result, case, entry), answer in zip(written, answers, strict=True):
            try:
                verdict = self._judge(case, answer)
            except NotWritable as reason:
                yield Audited(result, script=entry.path, unwritten=str(reason))
            else:
                yield compare(result, case, entry.path, answer, verdict)

    def _one_call(self, result: ResultLine) -> Case:
        """Return a case of one call that can be written out; raises NotWritable."""
        if result.deviation is not None and result.deviation.cause == Cause.ENVIRONMENT:
            raise NotWritable("it departs by a limit of the harness, which a script does not have")
        if result.case not in self._cases:
            raise NotWritable("the suite has no such case any more")
        case = self._cases[result.case]
        if isinstance(case.expectation, Steps):
            raise NotWritable("it is a sequence of calls")
        if case.missing or case.large:
            raise NotWritable(case.missing or "its arrays are too large to be written out")
        return case

    def _write(self, case: Case, number: int) -> Program:
        answer = self._worker.script(case.spec.call())
        if not isinstance(answer, Answered):
            # Kinds of answers name the reason differently, and a timeout has none.
            said = getattr(answer, "reason", getattr(answer, "message", "no answer in time"))
            raise NotWritable(str(said))
        text = program(case.spec, answer.details["script"])
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._worker.name}-{number:03}.py"
        path.write_text(f"# {case.id}\n{text}", "utf-8")
        return Program(path.absolute(), tuple(map(str, case.spec.observe)))

    def _judge(self, case: Case, answer: Answer) -> Verdict:
        call = case.spec.call()
        if isinstance(case.expectation, Rejects):
            return judge_rejects(answer, Verdict(Outcome.PASSED))
        if isinstance(answer, Answered):
            # A script does not return the caller's arrays, so they count as unchanged.
            unchanged = {f"{name}_after": array for name, array in call.inputs.items()}
            answer = replace(answer, arrays={**unchanged, **answer.arrays})
        assert isinstance(case.expectation, Returns)  # noqa: S101  (only these two are drawn)
        expected = case.expectation.observations
        ask = partial(self._ask_reference, call)
        return judge_returns(call, answer, expected, case.tolerance, ask)

    def _ask_reference(self, call: Call) -> Mapping[str, np.ndarray]:
        try:
            return wanted_by_reference(self._reference, call)
        except ReferenceFailed as problem:
            raise NotWritable(str(problem)) from None


def _said_of(result: ResultLine) -> str:
    """Return how a result ended: its kind, or what a known deviation says that happens."""
    known = result.deviation
    return str(result.kind or (known and known.happens) or result.outcome)


def _happens_by_chance(result: ResultLine) -> bool:
    """Whether the result may depend on foreign memory, and need not repeat."""
    known = result.deviation
    return known is not None and (known.sometimes or known.cause == Cause.MEMORY_UNSAFETY)


def compare(
    result: ResultLine, case: Case, script: Path, answer: Answer, alone: Verdict
) -> Audited:
    """Compare the suite's result with the answer of the library alone.

    `alone` is the verdict on the answer. If the script's own lines raise, the call did not reach
    the library, which agrees only with `unsupported`.
    """
    came = str(alone.kind or alone.outcome)
    audited = Audited(result, script, f"{came}: {alone.message}" if alone.message else came)
    group, said = group_of(result), _said_of(result)
    raised_before_the_library = group == "unsupported" and isinstance(answer, Rejected)
    if alone.outcome is Outcome.ERRORED and not raised_before_the_library:
        return replace(audited, finding="the script is at fault")
    if group == "unsupported":
        hidden = alone.outcome in (Outcome.PASSED, Outcome.REFUSED_EARLIER)
        # A refusal would pass even if nothing is supported at all.
        hidden &= isinstance(case.expectation, Returns)
        return replace(audited, finding="the library alone can do it") if hidden else audited
    if _happens_by_chance(result):
        return audited
    return audited if came == said else replace(audited, finding="the library alone says otherwise")

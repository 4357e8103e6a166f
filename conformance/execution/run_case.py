"""Run one case on one backend: make the call and its control, and judge the answers."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.judging.judge import (
    judge_observes,
    judge_rejects,
    judge_returns,
)
from embcheck.conformance.execution.judging.places import judge_places
from embcheck.conformance.execution.judging.readings import read, said
from embcheck.conformance.execution.judging.rows import RowWord
from embcheck.conformance.execution.judging.steps import joined
from embcheck.conformance.execution.judging.verdict import Outcome, Verdict
from embcheck.conformance.execution.known_answers import KnownAnswers
from embcheck.conformance.execution.large import SECONDS, large_request, memory_needed
from embcheck.conformance.execution.plain_calls import PlainCalls
from embcheck.conformance.execution.processes.limits import GIB
from embcheck.conformance.execution.protocol.answers import Answer, Answered, NotSupported, why_none
from embcheck.conformance.execution.protocol.bounded import bounded
from embcheck.conformance.suite.model import (
    CallSpec,
    Case,
    Level,
    Observes,
    Rejects,
    Returns,
    SequenceStep,
    Steps,
)
from embcheck.conformance.suite.real_data import Missing

MESSAGE = 10_000
"""The most characters of a verdict's message, which may quote several messages."""
WORKER_BYTES = 2 * GIB
"""How much memory a library and its runtime may take besides the arrays of a large call."""


class ReferenceFailed(Exception):
    """The NumPy reference did not answer a call whose expectation comes from it."""


@dataclass(frozen=True)
class CaseResult:
    """A verdict, with the seconds that the case took in all, and in the backend.

    `helped` is what the adapter declared that it did for the library. `respelled` is the verdict on
    another spelling, if a known deviation says that the case passes with it. `described` has the
    observed arrays in the form of records; the verdict's own arrays are then dropped.
    """

    verdict: Verdict
    seconds: float = 0.0
    backend_seconds: float = 0.0
    helped: tuple[str, ...] = ()
    respelled: Verdict | None = None
    described: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class CaseRunner:
    """A runner of cases on one backend; the reference is asked if a case states no literal values.

    `known` keeps the reference's answers, and is shared with other runners.
    """

    def __init__(
        self, backend: WorkerClient, reference: WorkerClient, known: KnownAnswers | None = None
    ) -> None:
        self._backend = backend
        self._reference = reference
        self._known = known or KnownAnswers(0)
        self._plain_calls = PlainCalls(backend)
        self._backend_seconds = 0.0
        self._helped: dict[str, None] = {}
        self._spelling: str | None = None
        self._may_be_unsafe = False

    def run(self, case: Case, spelling: str | None = None) -> CaseResult:
        """Run a case; any ending becomes a verdict, even a fault of the harness.

        `spelling` selects one of the adapter's other spellings.
        """
        started = time.perf_counter()
        self._backend_seconds, self._helped, self._spelling = 0.0, {}, spelling
        self._may_be_unsafe = False
        try:
            verdict = self._run(case)
        except Exception as error:  # noqa: BLE001  (a fault in one case must not end the run)
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            said = f"the harness failed: {type(error).__name__}: {error} ({place})"
            verdict = Verdict(Outcome.ERRORED, message=said)
        verdict = replace(verdict, message=bounded(verdict.message, MESSAGE))
        seconds, helped = time.perf_counter() - started, tuple(self._helped)
        return CaseResult(verdict, seconds, self._backend_seconds, helped)

    def _run(self, case: Case) -> Verdict:
        if case.missing:
            return Verdict(Outcome.NOT_RUN, message=case.missing)
        lacks = (self._backend.info.lacks(spec.outline()) for spec in case.asked)
        lack = next(filter(None, lacks), None)
        if lack is not None and case.spec.operation.is_quantized:
            return Verdict(Outcome.UNSUPPORTED, message=lack)
        try:  # Undeclared capabilities are tried too, to find those that work.
            verdict = self._judge_large(case) if case.large else self._judge(case)
        except Missing as reason:
            return Verdict(Outcome.NOT_RUN, message=str(reason))
        self._restart_if_unsafe(case)
        return verdict if lack is None else _not_declared(verdict, lack)

    def _restart_if_unsafe(self, case: Case) -> None:
        """Replace a worker whose memory a call from outside the contract may have corrupted.

        Not needed if the library was not given the call, or if the worker was replaced since.
        """
        is_outside = case.level in (Level.DOMAIN, Level.IMPLEMENTATION_DEFINED)
        is_unsafe = self._may_be_unsafe and self._backend.info.fresh_worker_after_bad_index
        if is_outside and is_unsafe:
            self._backend.restart()
            self._may_be_unsafe = False

    def _judge(self, case: Case) -> Verdict:
        if isinstance(case.expectation, Returns):
            return self._judge_returns(case.spec, case, case.expectation)
        if isinstance(case.expectation, Steps):
            return self._judge_steps(case, case.expectation.steps)
        call = case.spec.call()
        answer = self._ask(call)
        if isinstance(case.expectation, Observes):
            return self._observed(call, answer, case, case.expectation)
        control = Verdict(Outcome.NOT_RUN)
        if not isinstance(answer, (Answered, NotSupported)):
            self._restart_if_unsafe(case)  # Or the control would suffer from the bad index.
            control = self._control(case, case.expectation)
        return judge_rejects(answer, control)

    @staticmethod
    def _observed(call: Call, answer: Answer, case: Case, observes: Observes) -> Verdict:
        verdict = judge_observes(call, answer)
        if verdict.outcome is not Outcome.OBSERVED:
            return verdict
        if not isinstance(answer, Answered):
            return replace(verdict, reading=said(RowWord.RAISES))
        return replace(verdict, reading=read(call, answer.arrays, observes, case.tolerance))

    def _control(self, case: Case, rejects: Rejects) -> Verdict:
        is_unsafe = self._may_be_unsafe
        verdict = self._judge_returns(rejects.control, case, rejects.control_returns)
        self._may_be_unsafe = is_unsafe  # A control is valid, and so corrupts nothing.
        return verdict

    def _judge_returns(self, spec: CallSpec, case: Case, returns: Returns) -> Verdict:
        call = spec.call()
        return judge_returns(
            call,
            self._ask(call, again=case.again),
            returns.observations,
            case.tolerance,
            lambda: self._known.of(spec, lambda: self._ask_reference(call, returns)),
        )

    def _judge_steps(self, case: Case, steps: tuple[SequenceStep, ...]) -> Verdict:
        """Ask the steps in order, up to one that cannot be judged, and join their verdicts."""
        verdicts: list[tuple[str, Verdict]] = []
        for step in steps:
            verdict = self._judge_returns(step.spec, case, step.returns)
            verdicts.append((step.label, verdict))
            # All steps belong to one process: a new worker has not seen the earlier ones.
            if verdict.outcome not in (Outcome.PASSED, Outcome.FAILED, Outcome.OBSERVED):
                break
        return joined(verdicts, len(steps))

    def _judge_large(self, case: Case) -> Verdict:
        """Judge a large call, whose arrays the worker makes; not-run if memory is short."""
        returns = case.expectation
        assert isinstance(returns, Returns)  # noqa: S101  (specs of large cases are held to that)
        needed, free = memory_needed(case.spec, returns), psutil.virtual_memory().available
        if needed > free:
            said = f"needs {needed / GIB:.1f} GiB of free memory, {free / GIB:.1f} GiB are free"
            return Verdict(Outcome.NOT_RUN, message=said)
        answer = self._backend.ask_large(
            large_request(case.spec, returns), needed + WORKER_BYTES, SECONDS
        )
        answer = self._plain_calls.asked(case.spec.outline(), self._note(answer))
        return judge_places(answer, returns.observations)

    def _ask(self, call: Call, *, again: bool = False) -> Answer:
        answer = self._note(self._backend.ask(call, again=again, spelling=self._spelling))
        return self._plain_calls.asked(call, answer, self._spelling)

    def _note(self, answer: Answer) -> Answer:
        """Note an answer's time and the adapter's help, and whether the library may have run."""
        self._backend_seconds += getattr(answer, "seconds", 0.0)
        self._may_be_unsafe |= not isinstance(answer, NotSupported)
        if isinstance(answer, Answered):
            self._helped |= dict.fromkeys(answer.details.get("helped", ()))
        return answer

    def _ask_reference(self, call: Call, returns: Returns) -> Mapping[str, np.ndarray]:
        arrays = wanted_by_reference(self._reference, call)
        return {name: arrays[name] for name in returns.observations if name in arrays}


def wanted_by_reference(reference: WorkerClient, call: Call) -> Mapping[str, np.ndarray]:
    """Return the expected arrays of a call; raises ReferenceFailed without an answer."""
    wanted: Mapping[str, np.ndarray] = {}
    if call.operation.is_quantized:
        # The expected answer is the table itself: the bound allows for the scheme's loss.
        wanted, call = {Observation.STORED_WEIGHT: call.inputs["weight"]}, call.of_floats()
    answer = reference.ask(call)
    if not isinstance(answer, Answered):
        raise ReferenceFailed(f"the NumPy reference did not answer: {why_none(answer)}")
    return {**answer.arrays, **wanted}


def _not_declared(verdict: Verdict, lack: str) -> Verdict:
    """Turn the verdict on an undeclared capability into `unsupported`; say if it passed."""
    if verdict.outcome is Outcome.PASSED:
        lack += "; in this case it works all the same"
    return Verdict(Outcome.UNSUPPORTED, message=lack)

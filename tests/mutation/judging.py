"""Run the suite on an implementation, and record the outcome of each case."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.inside.worker import Worker
from embcheck.conformance.execution.judging.verdict import Outcome, Verdict
from embcheck.conformance.execution.protocol.answers import Answer, parse_answer
from embcheck.conformance.execution.protocol.messages import describe_call
from embcheck.conformance.execution.protocol.wire import receive, send
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.suite.arrays import Real
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Case

Make = Callable[[], Backend]
"""A function that makes a fresh backend, which has answered no call yet."""


@dataclass(frozen=True)
class Seen:
    """The outcome of a case, and a fingerprint of what was observed if it is `observed`."""

    outcome: Outcome
    fingerprint: str = ""


class InProcess:
    """A stand-in for a worker's client that answers in this process."""

    def __init__(self, backend: Backend) -> None:
        self.info = backend.info
        self._worker = Worker(backend)

    def ask(self, call: Call, *, again: bool = False, spelling: str | None = None) -> Answer:
        """Answer a call on copies of its arrays, encoded and decoded as for a worker."""
        channel = io.BytesIO()
        asked = {"call": describe_call(call), "again": again, "spelling": spelling}
        header = {"request": "ask", **asked}
        send(channel, header, call.inputs, with_layouts=True)
        channel.seek(0)
        reply = self._worker.reply(*receive(channel, with_layouts=True))
        return parse_answer(*reply, inputs=call.inputs)

    def restart(self) -> None:
        """Do nothing: NumPy checks indices, so no bad index can have corrupted memory."""


class Remembering(InProcess):
    """A client of the reference that computes each call once and keeps the answer."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._answers: dict[bytes, Answer] = {}

    def ask(self, call: Call, *, again: bool = False, spelling: str | None = None) -> Answer:
        """Answer a call, from the stored answer if there is one."""
        key = _digest(call)
        if key not in self._answers:
            self._answers[key] = super().ask(call, again=again, spelling=spelling)
        return self._answers[key]


def _digest(call: Call) -> bytes:
    digest = hashlib.sha256(repr(describe_call(call)).encode())
    for name, array in call.inputs.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.digest()


def suite_cases(paths: Sequence[Path] = ()) -> list[Case]:
    """Load the cases that mutants are judged by; of all shipped specs if no paths are given.

    Large cases, and those that need PyTorch or real data, are left out.
    """
    cases = [case for path in spec_files(paths) for case in load_spec(path).cases]
    return [case for case in cases if not _is_left_out(case)]


def _is_left_out(case: Case) -> bool:
    calls = (case.spec, *case.calls)
    needs_data = any(isinstance(source, Real) for call in calls for source in call.inputs.values())
    return case.large or needs_data or case.spec.operation is Operation.PROBE


def judge(
    cases: Iterable[Case], make: Make, reference: InProcess, *, apart: bool = False
) -> Iterator[tuple[str, Seen]]:
    """Run cases one after another, on one backend or, with `apart`, each on a fresh one."""
    backend = make()
    for case in cases:
        verdict = CaseRunner(InProcess(backend), reference).run(case).verdict
        # A fresh module's weight is random, so its output differs from run to run.
        is_random = case.spec.operation.is_fresh
        yield case.id, Seen(verdict.outcome, _fingerprint(verdict, with_values=not is_random))
        backend = make() if apart else backend


def _fingerprint(verdict: Verdict, *, with_values: bool) -> str:
    if verdict.outcome is not Outcome.OBSERVED:
        return ""
    digest = hashlib.sha256(str(verdict.reading).encode())
    for name, array in sorted(verdict.observed.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes() if with_values else b"")
    return digest.hexdigest()

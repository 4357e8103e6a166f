"""Run the suite on an implementation, and note what each case came to."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import Answer, _parse, describe_call
from embcheck.conformance.execution.judge import Outcome, Verdict
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.execution.wire import receive, send
from embcheck.conformance.execution.worker import Worker
from embcheck.conformance.suite.arrays import Real
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Case

FRESH_MODULES = (Operation.EMBEDDING_MODULE, Operation.EMBEDDING_BAG_MODULE)
"""Their weights are random, and what comes out of them differs from run to run."""


@dataclass(frozen=True)
class Seen:
    """What a case came to, and a fingerprint of what an implementation-defined call did."""

    outcome: Outcome
    fingerprint: str = ""


class InProcess:
    """Answers as a worker's client does, but in this process; mutants have a process each."""

    def __init__(self, backend: Backend) -> None:
        self.info = backend.info
        self._worker = Worker(backend)

    def ask(self, call: Call) -> Answer:
        """Answer a call on copies of its arrays, which have travelled as they do to a worker."""
        channel = io.BytesIO()
        send(channel, {"call": describe_call(call)}, call.inputs)
        channel.seek(0)
        return _parse(*self._worker.ask(*receive(channel)))

    def restart(self) -> None:
        """Do nothing: NumPy has no memory that a bad index could corrupt."""


def suite_cases(paths: Sequence[Path] = ()) -> list[Case]:
    """Load the cases (all shipped ones if no paths are given) that need no PyTorch or real data."""
    cases = [case for path in spec_files(paths) for case in load_spec(path).cases]
    return [case for case in cases if not _is_left_out(case)]


def _is_left_out(case: Case) -> bool:
    needs_data = any(isinstance(source, Real) for source in case.spec.inputs.values())
    return needs_data or case.spec.operation is Operation.PROBE


def judge(cases: list[Case], backend: Backend, reference: Backend) -> Iterator[tuple[str, Seen]]:
    """Run cases on a backend, one after another."""
    runner = CaseRunner(InProcess(backend), InProcess(reference))
    for case in cases:
        verdict = runner.run(case).verdict
        is_random = case.spec.operation in FRESH_MODULES
        yield case.id, Seen(verdict.outcome, _fingerprint(verdict, with_values=not is_random))


def _fingerprint(verdict: Verdict, *, with_values: bool) -> str:
    if verdict.outcome is not Outcome.OBSERVED:
        return ""
    digest = hashlib.sha256(str(verdict.reading).encode())
    for name, array in sorted(verdict.observed.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes() if with_values else b"")
    return digest.hexdigest()

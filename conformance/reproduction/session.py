"""Find a case, ask a backend once more what it does, and have it write the call."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.client import (
    Answer,
    Answered,
    BackendBroken,
    BackendUnavailable,
    Rejected,
    WorkerClient,
)
from embcheck.conformance.execution.judge import Outcome
from embcheck.conformance.execution.pool import REFERENCE
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.reproduction.literals import NotWritable
from embcheck.conformance.reproduction.script import Subject, compose
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Case


def reproduce(name: str, backend: str, specs: Iterable[Path] = ()) -> str:
    """Return the script of a case on a backend.

    Raises NotWritable for an unknown case, a backend that cannot start, cannot be asked this, or
    writes no script for the call; UnknownBackend and BadAddress for the backend's name, SpecError
    for a broken spec.
    """
    case = _find(name, specs)
    reference, worker = WorkerClient(REFERENCE), WorkerClient(backend)
    try:
        verdict = CaseRunner(worker, reference).run(case).verdict
        if verdict.outcome is Outcome.UNSUPPORTED:
            raise NotWritable(f"{worker.name} is not asked this: {verdict.message}")
        answer = worker.script(case.spec.call())
        if not isinstance(answer, Answered):
            raise NotWritable(f"{worker.name}: {_why(answer)}")
        subject = Subject(case, worker.info, verdict, answer.details["script"])
        return compose(subject, lambda call: _ask(reference, call))
    except (BackendUnavailable, BackendBroken) as problem:
        raise NotWritable(f"{worker.name}: {problem}") from None
    finally:
        worker.close()
        reference.close()


def _why(answer: Answer) -> str:
    if isinstance(answer, Rejected):
        return f"its adapter's script(call) raised {answer.exception}: {answer.message}"
    return str(getattr(answer, "reason", answer))


def _find(name: str, specs: Iterable[Path]) -> Case:
    cases = {case.id: case for path in spec_files(specs) for case in load_spec(path).cases}
    if name in cases:
        return cases[name]
    template = name.partition("[")[0]
    siblings = [other for other in cases if other.partition("[")[0] == template]
    near = siblings[:3] or difflib.get_close_matches(name, cases, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise NotWritable(f"there is no case '{name}'{hint}")


def _ask(reference: WorkerClient, call: Call) -> Mapping[str, np.ndarray]:
    answer = reference.ask(call)
    if not isinstance(answer, Answered):
        raise NotWritable(f"the NumPy reference does not answer: {answer}")
    return answer.arrays

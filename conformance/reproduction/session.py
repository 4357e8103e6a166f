"""Run a case again on a backend, and write it as a script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.judging.deviations import explain, load_deviations
from embcheck.conformance.execution.judging.verdict import Outcome, Verdict
from embcheck.conformance.execution.pool import REFERENCE
from embcheck.conformance.execution.protocol.answers import Answered, Rejected, why_none
from embcheck.conformance.execution.run_case import (
    CaseRunner,
    ReferenceFailed,
    wanted_by_reference,
)
from embcheck.conformance.reproduction.literals import NotWritable
from embcheck.conformance.reproduction.script import Subject, compose
from embcheck.conformance.suite.case_names import named
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Case, Steps


def reproduce(name: str, backend: str, specs: Iterable[Path] = ()) -> str:
    """Return the script of a case on a backend.

    Raises NotWritable for an unknown case, or a backend that cannot start, does not support the
    call, or writes no script for it; UnknownBackend and BadAddress for the backend's name,
    SpecError for a broken spec.
    """
    case = _find(name, specs)
    reference, worker = WorkerClient(REFERENCE), WorkerClient(backend)
    try:
        info, runner = worker.info, CaseRunner(worker, reference)
        case, verdict = _one_call(case, runner)
        if verdict.outcome is Outcome.UNSUPPORTED:
            raise NotWritable(f"{worker.name} is not asked this: {verdict.message}")
        answer = worker.script(case.spec.call())
        if not isinstance(answer, Answered):
            by_script = "its adapter's script(call) raised " if isinstance(answer, Rejected) else ""
            raise NotWritable(f"{worker.name}: {by_script}{why_none(answer)}")
        explained, entry = explain(case.id, verdict, info, load_deviations(worker.name))
        known = entry if explained.outcome is Outcome.DEVIATED else None
        subject = Subject(case, info, verdict, answer.details["script"], known)
        return compose(subject, lambda call: wanted_by_reference(reference, call))
    except (BackendUnavailable, BackendBroken) as problem:
        raise NotWritable(f"{worker.name}: {problem}") from None
    except ReferenceFailed as problem:
        raise NotWritable(str(problem)) from None
    finally:
        worker.close()
        reference.close()


def _one_call(case: Case, runner: CaseRunner) -> tuple[Case, Verdict]:
    """Run a case; of several calls, take the first that departs alone, else the first."""
    verdict = runner.run(case).verdict
    if not isinstance(case.expectation, Steps):
        return case, verdict
    alone = [
        replace(case, spec=step.spec, expectation=step.returns) for step in case.expectation.steps
    ]
    # None departs, so that any of them shows the same.
    if verdict.outcome in (Outcome.PASSED, Outcome.UNSUPPORTED):
        return alone[0], verdict
    for one in alone:
        came = runner.run(one).verdict
        if came.outcome is not Outcome.PASSED:
            return one, came
    raise NotWritable(f"{case.id} departs only after other calls: {verdict.message}")


def _find(name: str, specs: Iterable[Path]) -> Case:
    cases = {case.id: case for path in spec_files(specs) for case in load_spec(path).cases}
    if name in cases:
        return cases[name]
    try:
        found = named([name], cases)
    except LookupError as error:
        raise NotWritable(str(error.args[0])) from None
    # A script has one call; the first id serves as an example.
    if len(found) > 1:
        raise NotWritable(f"'{name}' stands for {len(found)} cases; name one: {min(found)}")
    return cases[min(found)]

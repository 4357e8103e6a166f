"""The check that objects live as long as they are needed, and that answers do not change later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.protocol.answers import Answered, Crashed
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.questions import Question, one_of_each_family

KEEP = "let the thunk refer to all that the call needs: session, program, buffers"
FAULTS = {
    "lost": (
        "{names} changed once the answer was let go",
        "copy in to_numpy, or let the array keep its owner",
    ),
    "differing": (
        "the same call answers otherwise the second time: {names}",
        "compute each answer anew, from the inputs alone",
    ),
    "overwritten": (
        "a later call changed the first answer: {names}",
        "copy in to_numpy: the runtime uses its buffer again",
    ),
}
"""Faults that a worker reports of a call made step by step: the message, and what to do."""


def check_lifetime(
    interview: Interview, working: Mapping[Operation, Sequence[Exchange]]
) -> list[CheckResult]:
    """Make calls step by step, twice; between the steps, garbage is collected and memory reused."""
    # One of each family: the modules of a family share the code that keeps things alive.
    asked = [working[operation][-1].question for operation in one_of_each_family(working)]
    found: list[CheckResult] = []
    number = 0
    for question in interview.affordable("lifetime", asked):
        number += 1
        found += _faults(interview, question)
    said = f"{number} calls, step by step: nothing died or changed before its time"
    return findings_or(found, "lifetime", said)


def _faults(interview: Interview, question: Question) -> Iterator[CheckResult]:
    answer = interview.by_step(question)
    if isinstance(answer, Crashed):
        step = interview.dies_in(question) or "a step that is not known"
        said = f"{question.title}: died in {step}, once memory was collected: {answer.message}"
        yield CheckResult(Status.FAIL, "lifetime", said, KEEP)
    elif not isinstance(answer, Answered):
        said = f"{question.title}: {Exchange(question, answer).said}"
        advice = "the same call was answered when not made step by step: see what differs"
        yield CheckResult(Status.WARN, "lifetime", said, advice)
    elif answer.details.get("failed_in"):
        step, why = answer.details["failed_in"], answer.details["said"]
        said = f"{question.title}: {step} raised {why}, once memory was collected"
        yield CheckResult(Status.FAIL, "lifetime", said, KEEP)
    else:
        for name, (what, advice) in FAULTS.items():
            if names := answer.details.get(name):
                said = f"{question.title}: {what.format(names=', '.join(names))}"
                yield CheckResult(Status.FAIL, "lifetime", said, advice)

"""The checks of declarations: what is declared works, and what works is declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from embcheck.conformance.contract.backend import Capability
from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.protocol.answers import Answered
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, Interview, missing_observations
from embcheck.conformance.smoke.questions import (
    Question,
    capability_questions,
    is_telling,
    plain_questions,
)


def check_capabilities(interview: Interview, working: Iterable[Operation]) -> list[CheckResult]:
    """Make a call that needs each declared capability."""
    declared, operations = interview.backend.info.capabilities, list(working)
    found: list[CheckResult] = []
    asked: list[Capability] = []
    for capability in Capability:
        if capability in declared and interview.can_afford("capabilities"):
            asked.append(capability)
            found += _declared(interview, capability, operations)
    names = ", ".join(sorted(asked)) or "none is declared"
    return findings_or(found, "capabilities", f"each works: {names}")


def _declared(
    interview: Interview, capability: Capability, operations: list[Operation]
) -> Iterator[CheckResult]:
    asked = list(_ask(interview, capability, operations))
    # A wrong answer is no reason not to declare a capability: the suite judges what is declared.
    answered = [e for e in asked if e.is_answered and not missing_observations(e)]
    if answered:
        departure = interview.departure(answered[-1])
        if departure is not None:
            said = f"{answered[-1].question.title} answers differently from the reference: "
            yield CheckResult(Status.INFO, "capabilities", said + departure)
        return
    reason = asked[0].said if asked else "no operation that works can use it"
    if asked and asked[0].is_answered:
        reason = f"{', '.join(missing_observations(asked[0]))} is not reported"
    said = f"{capability} is declared, but no call that needs it works: {reason}"
    yield CheckResult(
        Status.FAIL, "capabilities", said, "correct the adapter, or do not declare it"
    )


def _ask(
    interview: Interview, capability: Capability, operations: list[Operation]
) -> Iterator[Exchange]:
    """Ask one operation after another, until one answers."""
    for operation in operations:
        for question in _questions(interview, capability, operation):
            exchange = interview.ask(question)
            yield exchange
            if exchange.is_answered:
                return


def check_undeclared(interview: Interview, working: Iterable[Operation]) -> list[CheckResult]:
    """Find what works but is not declared."""
    info, operations = interview.backend.info, list(working)
    capabilities = [name for name in Capability if name not in info.capabilities]
    others = [
        name for name in Operation if name not in info.operations and name is not Operation.PROBE
    ]
    # Last of all checks, so that what is not declared takes no time from what is.
    can_afford = partial(interview.can_afford, "undeclared")
    names: list[str] = [
        *(name for name in capabilities if can_afford() and _works(interview, name, operations)),
        *(name for name in others if can_afford() and _answers(interview, name)),
    ]
    if not names:
        return findings_or((), "undeclared", "nothing works that is not declared")
    said = f"works, and could be declared: {', '.join(names)}"
    return [CheckResult(Status.WARN, "undeclared", said, "add it to info, and the suite tests it")]


def _works(interview: Interview, capability: Capability, operations: list[Operation]) -> bool:
    return any(
        is_telling(capability, question.call) and _is_right(interview, interview.ask(question))
        for operation in operations
        for question in _questions(interview, capability, operation)
    )


def _questions(
    interview: Interview, capability: Capability, operation: Operation
) -> list[Question]:
    with_gradients = Capability.GRADIENTS in interview.backend.info.capabilities
    return capability_questions(capability, operation, with_gradients=with_gradients)


def _answers(interview: Interview, operation: Operation) -> bool:
    return any(_is_right(interview, interview.ask(q)) for q in plain_questions(operation)[:1])


def _is_right(interview: Interview, exchange: Exchange) -> bool:
    # An adapter that never reads an option answers as if it were absent, which can be right too.
    if not isinstance(exchange.answer, Answered) or exchange.answer.details.get("unread"):
        return False
    return not missing_observations(exchange) and interview.departure(exchange) is None

"""The check of operations that an adapter composes by arithmetic of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from embcheck.conformance.contract.backend import Capability, Provision
from embcheck.conformance.contract.call import Call, Operation, with_inputs, with_options
from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.execution.protocol.answers import Answered
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.questions import Question, call_of, one_of_each_family

INDICES = (3, 0, 4, 1, 3, 0, 2)
OFFSETS = (0, 2, 2, 5, 6, 7)
"""Bags of 2, 0, 3, 1, 1 and 0 entries; the fourth is row 0, all of whose values are negative."""
EMPTY = (1, 5)
ADVICE = "this is composed by the adapter, no fault of the library: correct the composition"
BY_DESIGN = "if the library's documentation composes so, record a deviation: `cause: composition`"


def check_compositions(
    interview: Interview, working: Mapping[Operation, Sequence[Exchange]]
) -> list[CheckResult]:
    """Compare composed operations with the definition, if the plain lookups are right."""
    operations = interview.backend.info.operations
    composed = [
        operation
        for operation in one_of_each_family(working)
        if operations[operation].provision is Provision.COMPOSED and not operation.is_fresh
    ]
    if not composed:
        return findings_or((), "compositions", "no operation is composed by the adapter")
    # If the lookups are wrong, so is what is composed of them, and the adapter is not to blame.
    plain = working.get(Operation.EMBEDDING, ())
    if any(interview.departure(exchange) for exchange in plain):
        said = "not checked: plain lookups, of which they are composed, depart already"
        return [CheckResult(Status.INFO, "compositions", said)]
    asked = [
        exchange for operation in composed for exchange in _asked(interview, working, operation)
    ]
    found = [fault for exchange in asked for fault in _faults(interview, exchange)]
    said = f"{len(asked)} calls of {', '.join(composed)} are answered as documented"
    return findings_or(found, "compositions", said)


def _asked(
    interview: Interview, working: Mapping[Operation, Sequence[Exchange]], operation: Operation
) -> Iterator[Exchange]:
    yield from working[operation]
    if operation.is_bag:
        questions = _questions(operation, interview.backend.info.capabilities)
        for question in interview.affordable("compositions", questions):
            yield interview.ask(question)


def _questions(operation: Operation, capabilities: frozenset[Capability]) -> Iterator[Question]:
    """Yield calls with bags of several lengths, some of them empty."""
    for mode in OPTIONS["mode"].values:
        yield Question(f"{operation} of uneven bags, {mode}", _uneven(operation, mode))
    if Capability.PER_SAMPLE_WEIGHTS in capabilities:
        factors = np.linspace(0.5, 2, len(INDICES), dtype=np.float32)
        call = with_inputs(_uneven(operation, "sum"), per_sample_weights=factors)
        yield Question(f"{operation} of uneven bags, weighted", call)


def _uneven(operation: Operation, mode: str) -> Call:
    call = call_of(operation, {"mode": mode}, by_offsets=True)
    offsets = np.array([*OFFSETS])
    return with_inputs(call, indices=np.array(INDICES), offsets=offsets)


def _faults(interview: Interview, exchange: Exchange) -> Iterator[CheckResult]:
    said = interview.departure(exchange) if exchange.is_answered else None
    if said is None:
        return
    title = exchange.question.title
    # The library's own page may compose empty bags in this way, so it may be no mistake.
    if interview.departure(_without_empty_bags(interview, exchange)) is None:
        said = f"{title}: only empty bags differ: {said}"
        yield CheckResult(Status.WARN, "compositions", said, BY_DESIGN)
        return
    how = _as_if(interview, exchange)
    yield CheckResult(Status.FAIL, "compositions", f"{title}: {how}{said}", ADVICE)


def _without_empty_bags(interview: Interview, exchange: Exchange) -> Exchange:
    """Return the exchange with the outputs of empty bags corrected."""
    right = interview.reference.ask(exchange.question.call)
    answer = exchange.answer
    if not isinstance(right, Answered) or not isinstance(answer, Answered):
        return exchange
    output, wanted = answer.arrays.get("output"), right.arrays["output"]
    offsets = exchange.question.call.inputs.get("offsets", np.empty(0))
    if output is None or output.shape != wanted.shape or len(offsets) != len(OFFSETS):
        return exchange
    output = output.copy()
    output[[*EMPTY]] = wanted[[*EMPTY]].astype(output.dtype)
    return replace(exchange, answer=replace(answer, arrays={**answer.arrays, "output": output}))


def _as_if(interview: Interview, exchange: Exchange) -> str:
    """Name another mode for which the answer is right; '' if there is none."""
    call = exchange.question.call
    if not call.operation.is_bag:
        return ""
    for mode in OPTIONS["mode"].values:
        if mode != call.option("mode") and "per_sample_weights" not in call.inputs:
            other = Question("", with_options(call, mode=mode))
            if interview.departure(replace(exchange, question=other)) is None:
                return f"answered as if mode were {mode}: "
    return ""

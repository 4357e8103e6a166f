"""The check that an adapter passes tables on unchanged, by tables of one and three dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.answers import Answer, Answered, Rejected
from embcheck.conformance.smoke.alone import known_alone, refused_alone
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.questions import one_of_each_family, table_questions

AS_IT_CAME = "pass the library the table unchanged, and nothing derived from its shape"


def check_tables(
    interview: Interview, working: Mapping[Operation, Sequence[Exchange]]
) -> list[CheckResult]:
    """Make calls with tables of one and three dimensions.

    If an adapter computes something from a table's shape, that may fail before the library sees
    the table, and be taken for the library's refusal. If the adapter writes scripts, the library
    alone is asked as well.
    """
    asked = [
        interview.ask(question)
        for operation in one_of_each_family(working)
        for question in table_questions(working[operation][-1].question)
    ]
    alone = known_alone(interview, [exchange.question for exchange in asked])
    found = [finding for exchange in asked for finding in _faults(exchange, alone)]
    refused = sum(isinstance(exchange.answer, Rejected) for exchange in asked)
    seen = "the library alone does the same"
    unseen = "who refuses cannot be seen (the adapter writes no scripts)"
    message = (
        f"{refused} of {len(asked)} calls with tables of one or three dimensions were refused; "
        f"{seen if alone else unseen}"
    )
    return findings_or(found, "tables", message)


def _faults(exchange: Exchange, alone: Mapping[str, Answer]) -> Iterator[CheckResult]:
    yield from refused_alone(exchange, alone, "tables", AS_IT_CAME)
    title = exchange.question.title
    if isinstance(exchange.answer, Rejected) and isinstance(alone.get(title), Answered):
        said = f"{title} is refused ({exchange.said}), but the library alone answers it"
        yield CheckResult(Status.FAIL, "tables", said, AS_IT_CAME)

"""The check that an adapter passes tables on unchanged, by tables of one and three dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embcheck.conformance.execution.protocol.answers import Answered, Rejected
from embcheck.conformance.smoke.alone import Alone, refused_alone
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange

AS_IT_CAME = "pass the library the table unchanged, and nothing derived from its shape"


def check_tables(asked: Sequence[Exchange], alone: Alone) -> list[CheckResult]:
    """Compare calls on tables of one and three dimensions with those of the library alone.

    If an adapter computes something from a table's shape, that may fail before the library sees
    the table. Such a failure would be taken for the library's refusal.
    """
    found = [finding for exchange in asked for finding in _faults(exchange, alone)]
    refused = sum(isinstance(exchange.answer, Rejected) for exchange in asked)
    compared = alone.compared(asked, "does the same", "who refuses cannot be seen")
    message = f"{refused} of {len(asked)} tables of one or three dimensions were refused"
    return findings_or(found, "tables", f"{message}; {compared}")


def _faults(exchange: Exchange, alone: Alone) -> Iterator[CheckResult]:
    yield from refused_alone(exchange, alone, "tables", AS_IT_CAME)
    title = exchange.question.title
    if isinstance(exchange.answer, Rejected) and isinstance(alone.known(title), Answered):
        said = f"{title} is refused ({exchange.said}), but the library alone answers it"
        yield CheckResult(Status.FAIL, "tables", said, AS_IT_CAME)

"""The check that an adapter does not cast, by indices and offsets of other dtypes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embcheck.conformance.execution.protocol.answers import Answered, NotSupported
from embcheck.conformance.smoke.alone import Alone, refused_alone
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, Interview, input_faults, same_output
from embcheck.conformance.smoke.questions import as_if_cast

CAST = "hand the library the arrays as they came, and report those"


def check_dtypes(
    interview: Interview, asked: Sequence[Exchange], alone: Alone
) -> list[CheckResult]:
    """Compare the answers to calls of other dtypes with those of the library alone.

    Answers by themselves do not show an adapter that casts for the library and reports the arrays
    that it was given.
    """
    answered = [exchange for exchange in asked if exchange.is_answered]
    found = [finding for exchange in asked for finding in _faults(interview, exchange, alone)]
    titles = [each.question.title.rpartition(", ")[2] for each in asked if not each.is_answered]
    refused = f" (not {', '.join(dict.fromkeys(titles))})" if titles else ""
    cannot = "what the library was handed cannot be seen"
    compared = alone.compared(answered, "gives the same answers", cannot)
    message = f"{len(answered)} of {len(asked)} calls with other dtypes were answered{refused}"
    return findings_or(found, "dtypes", f"{message}, and report them as given; {compared}")


def _faults(interview: Interview, exchange: Exchange, alone: Alone) -> Iterator[CheckResult]:
    title, answer = exchange.question.title, exchange.answer
    faults = input_faults(exchange)
    if faults:
        yield CheckResult(Status.FAIL, "dtypes", f"{title}: {faults[0]}", CAST)
    elif isinstance(answer, NotSupported):
        advice = "if the library can be given it, pass it on, and let the library refuse it"
        yield CheckResult(Status.INFO, "dtypes", f"{title} is unsupported: {answer.reason}", advice)
    elif isinstance(answer, Answered) and (by_itself := alone.known(title)) is not None:
        yield from refused_alone(exchange, alone, "dtypes", CAST)
        if isinstance(by_itself, Answered) and not same_output(answer, by_itself):
            said = f"{title} is answered otherwise than by the library alone"
            yield CheckResult(Status.FAIL, "dtypes", said, CAST)
    # Without a script, the check can only compare with the answer to a call that was cast.
    elif exchange.is_answered and _is_as_if_cast(interview, exchange):
        said = (
            f"{title}: answered as if cast to int64; whether the library or the adapter casts "
            "cannot be seen from outside"
        )
        advice = "see that it is the library: the suite calls it accepted-invalid"
        yield CheckResult(Status.WARN, "dtypes", said, advice)


def _is_as_if_cast(interview: Interview, exchange: Exchange) -> bool:
    cast = as_if_cast(exchange.question)
    return cast is not None and same_output(exchange.answer, interview.ask(cast).answer)

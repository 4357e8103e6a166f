"""The check that an adapter's scripts do what the adapter does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.protocol.answers import Answer, Answered, Errored, Rejected
from embcheck.conformance.smoke.alone import Alone
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, same_output
from embcheck.conformance.smoke.questions import one_of_each_family

ADVICE = "return one str: lines that import the library and leave `output`, a NumPy array"


def plain_of_each_family(working: Mapping[Operation, Sequence[Exchange]]) -> list[Exchange]:
    """Return a plain answered call of each family whose answers can be compared.

    One is enough, since some scripts export and compile.
    """
    asked = [working[operation][-1] for operation in one_of_each_family(working)]
    return [exchange for exchange in asked if not exchange.question.call.operation.is_fresh]


def check_scripts(
    working: Mapping[Operation, Sequence[Exchange]], alone: Alone
) -> list[CheckResult]:
    """Compare the answers of plain calls' scripts, run without the adapter, with the adapter's."""
    found, ran = [], 0
    for exchange in plain_of_each_family(working):
        told = alone.answers.get(exchange.question.title)
        # None if there was no time or no script; neither is a fault.
        ran += isinstance(told, Answered)
        if told is not None and (fault := _fault(exchange, told)):
            said = f"{exchange.question.title}: {fault}"
            found.append(CheckResult(Status.FAIL, "scripts", said, ADVICE))
    if not found and not ran:
        if alone.without_script and not alone.writes_any:
            said = "the adapter writes none, so it is often unknown whether the library is at fault"
            return [CheckResult(Status.INFO, "scripts", said, "give it a method script(call)")]
        said = "no script of a plain call ran"
        return [CheckResult(Status.INFO, "scripts", said, "write scripts of the plain calls")]
    return findings_or(found, "scripts", f"{ran} ran alone, and answer as the adapter does")


def _fault(exchange: Exchange, alone: Answer) -> str | None:
    if isinstance(alone, Answered):
        same = same_output(alone, exchange.answer)
        return None if same else "the script gives another output than the adapter"
    if isinstance(alone, Rejected):
        return f"the script refuses what the adapter answers ({alone.exception}: {alone.message})"
    if isinstance(alone, Errored):
        return alone.message
    return f"the script ends without an answer ({Exchange(exchange.question, alone).said})"

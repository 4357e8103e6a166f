"""The check that an adapter's scripts do what the adapter does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.answers import Answer, Answered, Errored, Rejected
from embcheck.conformance.smoke.alone import answers_alone
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, Interview, same_output
from embcheck.conformance.smoke.questions import one_of_each_family

ADVICE = (
    "return one str: lines that import the library and leave `output` as a NumPy array, "
    "from `weight` and `indices`, which are there"
)


def check_scripts(
    interview: Interview, working: Mapping[Operation, Sequence[Exchange]]
) -> list[CheckResult]:
    """Run the scripts of plain calls without the adapter, and compare the answers.

    Only one operation of each family is asked, since some scripts export and compile.
    """
    asked = [working[operation][-1] for operation in one_of_each_family(working)]
    plain = [exchange for exchange in asked if not exchange.question.call.operation.is_fresh]
    alone = answers_alone(interview, [exchange.question for exchange in plain])
    found = []
    for exchange in plain:
        told = alone.get(exchange.question.title)
        if told is not None and (fault := _fault(exchange, told)):
            said = f"{exchange.question.title}: {fault}"
            found.append(CheckResult(Status.FAIL, "scripts", said, ADVICE))
    if not alone:
        said = "the adapter writes none, so that `embcheck reproduce` has none to print"
        return [CheckResult(Status.INFO, "scripts", said, "give it a method script(call)")]
    return findings_or(found, "scripts", f"{len(alone)} ran alone, and answer as the adapter does")


def _fault(exchange: Exchange, alone: Answer) -> str | None:
    if isinstance(alone, Answered):
        same = same_output(alone, exchange.answer)
        return None if same else "the script gives another output than the adapter"
    if isinstance(alone, Rejected):
        return f"the script refuses what the adapter answers ({alone.exception}: {alone.message})"
    if isinstance(alone, Errored):
        return alone.message
    return (
        f"the script ends without an answer ({Exchange(exchange.question, alone, printed=0).said})"
    )

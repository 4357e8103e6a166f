"""The check that an adapter's scripts do what the adapter does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.client import Answered
from embcheck.conformance.smoke.alone import ask_alone
from embcheck.conformance.smoke.finding import Finding, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.questions import one_of_each_family

ADVICE = (
    "return one str: lines that import the library and leave `output` as a NumPy array, "
    "from `weight` and `indices`, which are there"
)


def check_scripts(
    interview: Interview, working: Mapping[Operation, Sequence[Exchange]]
) -> list[Finding]:
    """Run the scripts of plain calls by themselves; they answer as the adapter does.

    One operation of each family is asked, for some scripts export and compile.
    """
    asked = [working[operation][-1] for operation in one_of_each_family(working)]
    plain = [exchange for exchange in asked if not _draws_its_own(exchange)]
    alone = ask_alone(interview, [exchange.question for exchange in plain])
    found = []
    for exchange in plain:
        told = alone.get(exchange.question.title)
        if told is not None and (fault := _fault(exchange, told)):
            said = f"{exchange.question.title}: the script {fault}"
            found.append(Finding(Status.FAIL, "scripts", said, ADVICE))
    if not alone:
        said = "the adapter writes none, so that `embcheck reproduce` has none to print"
        return [Finding(Status.INFO, "scripts", said, "give it a method script(call)")]
    return findings_or(found, "scripts", f"{len(alone)} ran alone, and answer as the adapter does")


def _draws_its_own(exchange: Exchange) -> bool:
    return exchange.question.call.operation.value.endswith("_module")


def _fault(exchange: Exchange, told: Mapping[str, object]) -> str | None:
    if "fault" in told:
        return str(told["fault"])
    if "refused" in told:
        return f"refuses what the adapter answers ({told['refused']})"
    assert isinstance(exchange.answer, Answered)  # noqa: S101  (of those that work)
    same = told["output"] == exchange.answer.arrays["output"].tolist()
    return None if same else "gives another output than the adapter"

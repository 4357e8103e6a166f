"""The checks of answers: operations, inputs, values, printing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.execution.protocol.answers import (
    Answered,
    Crashed,
    Errored,
    NotSupported,
    Rejected,
    TimedOut,
)
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import (
    Exchange,
    Interview,
    input_faults,
    missing_observations,
)
from embcheck.conformance.smoke.questions import plain_questions

MUCH_PRINTED = 1024**2
"""The most bytes that a call may print, even if few calls print."""


def check_info(info: BackendInfo, name: str) -> list[CheckResult]:
    """Check that the backend's info is complete."""
    summary = (
        f"{info.library} {info.version} on {info.device}, {len(info.operations)} operations, "
        f"{len(info.capabilities)} capabilities"
    )
    return findings_or(_info_faults(info, name), "info", summary)


def _info_faults(info: BackendInfo, name: str) -> Iterator[CheckResult]:
    if info.id != name:
        said = f"the backend was asked for as '{name}' and calls itself '{info.id}'"
        yield CheckResult(Status.FAIL, "info", said, f'set id="{name}", as the entry point has it')
    for field in ("library", "version", "device"):
        value = getattr(info, field)
        if not isinstance(value, str) or not value.strip():
            advice = f"give {field} as text, the version as the library states it"
            yield CheckResult(Status.FAIL, "info", f"{field} is {value!r}", advice)
    if not info.operations:
        advice = "list in `operations` what the library has"
        yield CheckResult(Status.FAIL, "info", "no operation is declared", advice)
    for operation, how in info.operations.items():
        if not how.spelling.strip():
            advice = 'say how a user writes it, e.g. "jnp.take(weight, indices, axis=0)"'
            yield CheckResult(Status.FAIL, "info", f"{operation} is not spelled out", advice)
    # "cuda:1" is a "cuda" too. The name of a backend without "@" says nothing of its device.
    device = name.partition("@")[2]
    if device and not info.device.startswith(device):
        said = f"the name says @{device}, and info that it runs on {info.device}"
        yield CheckResult(Status.WARN, "info", said, "set device=, and move the arrays there")
    # No failure, because the other distribution may just not be installed here.
    if info.made_from is not None and info.made_from not in known_backends():
        said = f"made_from names '{info.made_from}', which no distribution here announces"
        yield CheckResult(
            Status.WARN, "info", said, "name the backend whose work this one continues"
        )


def check_operations(
    interview: Interview,
) -> tuple[list[CheckResult], dict[Operation, list[Exchange]]]:
    """Make plain valid calls of each declared operation; also return those that were answered."""
    working: dict[Operation, list[Exchange]] = {}
    found: list[CheckResult] = []
    for operation in interview.backend.info.operations:
        if operation is Operation.PROBE:
            continue
        asked = _ask_plainly(interview, operation)
        found += _operation_faults(operation, asked)
        if any(exchange.is_answered for exchange in asked):
            working[operation] = [exchange for exchange in asked if exchange.is_answered]
    names = ", ".join(working)
    return findings_or(found, "operations", f"answered plain valid calls: {names}"), working


def _ask_plainly(interview: Interview, operation: Operation) -> list[Exchange]:
    """Make calls until the process dies or hangs: the next call would end in the same way."""
    asked = []
    # One at least, however slow: nothing else can be asked of an operation that never answered.
    for question in interview.affordable("operations", plain_questions(operation), least=1):
        asked.append(interview.ask(question))
        if isinstance(asked[-1].answer, (Crashed, TimedOut)):
            break
    return asked


def _operation_faults(operation: Operation, asked: Sequence[Exchange]) -> Iterator[CheckResult]:
    dead = next((e for e in asked if isinstance(e.answer, (Crashed, TimedOut))), None)
    if dead is not None:
        said = f"{dead.question.title}: {dead.said}"
        advice = "make the same call without embcheck: does the library die or hang there too?"
        yield CheckResult(Status.FAIL, "operations", said, advice)
        return
    if not any(exchange.is_answered for exchange in asked):
        what = "refused" if isinstance(asked[0].answer, Rejected) else "not answered"
        said = f"{operation} is declared, but every plain valid call was {what}: {asked[0].said}"
        advice = "correct the adapter, or take the operation out of info"
        yield CheckResult(Status.FAIL, "operations", said, advice)
        return
    for exchange in asked:
        if isinstance(exchange.answer, Rejected):
            said = f"a plain valid call, {exchange.question.title}, was refused: {exchange.said}"
            advice = "see whether the library raised that, or a mistake in the adapter"
            yield CheckResult(Status.WARN, "operations", said, advice)
        if isinstance(exchange.answer, NotSupported):
            said = f"{exchange.question.title} is unsupported: {exchange.said}"
            yield CheckResult(Status.INFO, "operations", said)


def check_answers(info: BackendInfo, exchanges: Sequence[Exchange]) -> list[CheckResult]:
    """Check that all wanted observations come back, as arrays of known dtypes.

    A backend need not report what it does not declare.
    """
    # By fault, with the first call that has it: an adapter has the same fault in most of its calls.
    faults: dict[str, str] = {}
    for exchange in exchanges:
        if info.lacks(exchange.question.call) is not None:
            continue
        if isinstance(exchange.answer, Errored) and not exchange.answer.late:
            faults.setdefault(exchange.said, exchange.question.title)
        for name in missing_observations(exchange):
            faults.setdefault(f"{name} was asked for and is not reported", exchange.question.title)
    found = [
        CheckResult(Status.FAIL, "answers", f"{title}: {fault}", "correct to_numpy or the thunk")
        for fault, title in faults.items()
    ]
    return findings_or(found, "answers", "arrays of known dtypes, and all that was asked for")


def check_inputs(exchanges: Sequence[Exchange]) -> list[CheckResult]:
    """Check that each input is reported, untouched, in its dtype and shape."""
    faults: dict[str, str] = {}
    for exchange in exchanges:
        for fault in input_faults(exchange):
            faults.setdefault(fault, exchange.question.title)
    advice = "report the very arrays that the library was handed: **inputs_after(inputs)"
    found = [
        CheckResult(Status.FAIL, "inputs", f"{title}: {fault}", advice)
        for fault, title in faults.items()
    ]
    return findings_or(found, "inputs", "each is reported after the call, untouched")


def check_reads(info: BackendInfo, exchanges: Sequence[Exchange]) -> list[CheckResult]:
    """Check that the adapter reads each option and input of the declared calls that it answers."""
    advice = "hand it to the library, or raise Unsupported in prepare: such cases are not judged"
    found, answered = [], 0
    for exchange in exchanges:
        if isinstance(exchange.answer, Answered) and info.lacks(exchange.question.call) is None:
            answered += 1
            for name in exchange.answer.details.get("unread", ()):
                said = f"{exchange.question.title}: it was answered, and {name} was never read"
                found.append(CheckResult(Status.FAIL, "reads", said, advice))
    return findings_or(found, "reads", f"each option and input of {answered} answered calls")


def check_unsupported(exchanges: Sequence[Exchange]) -> list[CheckResult]:
    """Check that Unsupported is raised only in `prepare`, where it counts."""
    late = [e for e in exchanges if isinstance(e.answer, Errored) and e.answer.late]
    advice = "raise it in prepare; what the thunk raises counts as the library's refusal"
    found = [
        CheckResult(Status.FAIL, "unsupported", f"{e.question.title}: the {e.said}", advice)
        for e in late[:1]
    ]
    return findings_or(found, "unsupported", "never raised by a thunk or by to_numpy")


def check_printing(exchanges: Sequence[Exchange]) -> list[CheckResult]:
    """Check that calls do not print; warnings at the first calls are allowed."""
    # Most calls of a loud adapter print; a warning comes once.
    loud = [exchange.printed for exchange in exchanges if exchange.printed]
    found = []
    if 2 * len(loud) > len(exchanges) or max(loud, default=0) > MUCH_PRINTED:
        said = f"{len(loud)} of {len(exchanges)} calls printed, {max(loud):,} bytes at most"
        advice = "turn it off: it costs time, and is timed"
        found = [CheckResult(Status.WARN, "printing", said, advice)]
    return findings_or(found, "printing", "calls print nothing, or little")


def check_values(
    interview: Interview, working: dict[Operation, list[Exchange]]
) -> list[CheckResult]:
    """Count the plain answers that differ from the reference's; the suite judges them."""
    asked = [exchange for exchanges in working.values() for exchange in exchanges]
    # No failure: whether the library or the adapter departs is for the suite to find.
    differing = [(e, said) for e in asked if (said := interview.departure(e)) is not None]
    if not differing:
        return findings_or((), "values", f"{len(asked)} plain calls answered like the reference")
    first, said = differing[0]
    message = (
        f"answers differently from the reference: {len(differing)} of {len(asked)} plain calls, "
        f"first {first.question.title}: {said}"
    )
    return [CheckResult(Status.INFO, "values", message, "the suite judges that: embcheck run")]


def check_budget(interview: Interview) -> list[CheckResult]:
    """Say which questions were left out because processor time was short."""
    budget = interview.budget
    took = f"{budget.spent():.0f} s of CPU"
    left = {check: count for check, count in interview.left_out.items() if count}
    if not left:
        return findings_or((), "budget", f"all was asked, in {took}")
    names = ", ".join(f"{count} of {check}" for check, count in left.items())
    said = f"{took} of {budget.seconds:.0f} s: questions were left out: {names}"
    return [CheckResult(Status.INFO, "budget", said, "--cpu-seconds 600 asks them too")]

"""The check that an adapter passes each option on unchanged, by calls whose answers show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from embcheck.conformance.contract.backend import Provision
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.execution.protocol.answers import (
    Answer,
    Answered,
    NotSupported,
    Refuser,
    Rejected,
)
from embcheck.conformance.smoke.alone import Alone
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.misreadings import Trial, trials
from embcheck.conformance.smoke.questions import Question, one_of_each_family
from embcheck.conformance.smoke.schemes import other_scheme

SCHEME = "scheme"
AS_IT_CAME = "pass {option} on as it came"
NO_SCRIPT = "a script(call) would show whether the library does so"


@dataclass(frozen=True)
class Tried:
    """A trial, its exchange, and how that departs from the reference, if it does.

    `misreading` describes the mistake that explains the answer, if one does.
    """

    trial: Trial
    exchange: Exchange
    departure: str | None
    misreading: str | None


def try_options(
    interview: Interview, working: Mapping[Operation, Sequence[Exchange]]
) -> list[Tried]:
    """Make a call for each value of each option that the backend declares."""
    info, families = interview.backend.info, one_of_each_family(working)
    asked = [
        trial
        for operation in working
        for trial in trials(operation, info)
        if not (trial.option == "mode" and _is_composed(interview, operation))
    ]
    # These come last: if time is short, a function's options need not be asked of its module too.
    asked.sort(key=lambda trial: _is_elsewhere(trial, families))
    by_title = {trial.question.title: trial for trial in asked}
    affordable = interview.affordable("options", [trial.question for trial in asked])
    return [_tried(interview, by_title[question.title]) for question in affordable]


def _is_elsewhere(trial: Trial, families: Sequence[Operation]) -> bool:
    """Whether a module's option is also one of its function, which is asked first."""
    operation = trial.question.call.operation
    if operation in families:
        return False
    option = OPTIONS.get(trial.option)
    return option is None or operation.function in option.operations


def _is_composed(interview: Interview, operation: Operation) -> bool:
    """Whether an operation is composed; `compositions` checks its modes."""
    return interview.backend.info.operations[operation].provision is Provision.COMPOSED


def _tried(interview: Interview, trial: Trial) -> Tried:
    exchange = interview.ask(trial.question)
    if trial.option == SCHEME:
        # A bound is too wide to tell schemes apart: see `smoke.schemes`.
        how = other_scheme(interview.reference, trial, exchange.answer)
        return Tried(trial, exchange, how and "its levels are those of another scheme", how)
    said = _departure(interview, trial.question.call, exchange)
    how = None if said is None else _misreading(interview, trial, exchange.answer)
    return Tried(trial, exchange, said, how)


def suspects(tried: Sequence[Tried]) -> list[Exchange]:
    """Return the calls to be asked of the library alone: departures and refusals.

    One refusal of each option is enough for an operation.
    """
    refused = {
        (one.trial.option, one.trial.question.call.operation): one.exchange
        for one in reversed(tried)  # Reversed, so that the first of several stays.
        if isinstance(one.exchange.answer, Rejected)
    }
    departing = [one.exchange for one in tried if one.departure is not None]
    return [*departing, *refused.values()]


def check_options(
    interview: Interview,
    working: Mapping[Operation, Sequence[Exchange]],
    tried: Sequence[Tried],
    alone: Alone,
) -> list[CheckResult]:
    """Say which options the adapter passes on wrongly, or not at all.

    A library may depart too. So an answer is the adapter's fault if the library alone answers as
    documented. Without a script, it is the adapter's fault if a mistake in an option explains the
    whole answer.
    """
    found = [
        fault
        for one in tried
        if not _is_beside(one, tried)
        for fault in _faults(interview, working, one, alone)
    ]
    answered = [one for one in tried if one.exchange.is_answered]
    names = ", ".join(dict.fromkeys(one.trial.option for one in answered)) or "none is declared"
    return findings_or(found, "options", f"{len(answered)} calls, each option passed on: {names}")


def _is_beside(one: Tried, tried: Sequence[Tried]) -> bool:
    """Whether an option is used with another that departs already, which explains both."""
    option = OPTIONS.get(one.trial.option)
    return option is not None and any(
        other.departure is not None
        for other in tried
        if other.trial.option == option.beside
        and other.trial.question.call.operation is one.trial.question.call.operation
    )


def _faults(
    interview: Interview,
    working: Mapping[Operation, Sequence[Exchange]],
    one: Tried,
    alone: Alone,
) -> Iterator[CheckResult]:
    title, answer = one.exchange.question.title, one.exchange.answer
    advice = AS_IT_CAME.format(option=one.trial.option)
    by_itself = alone.known(title)

    def found(status: Status, said: str, advice: str = advice) -> CheckResult:
        return CheckResult(status, "options", f"{title} {said}", advice)

    if isinstance(answer, NotSupported):
        yield found(Status.INFO, f"is unsupported: {answer.reason}", "")
    elif isinstance(answer, Rejected) and answer.refuser is Refuser.ADAPTER:
        yield found(Status.FAIL, f"raises in the adapter's own lines: {one.exchange.said}")
    elif isinstance(answer, Rejected) and isinstance(by_itself, Answered):
        yield found(Status.FAIL, f"is refused, not by the library alone: {one.exchange.said}")
    elif not isinstance(answer, Answered):
        yield found(Status.WARN, f"is not answered: {one.exchange.said}", "see who is at fault")
    elif one.departure is not None:
        how = (
            f"is answered as if {one.misreading}" if one.misreading else f"departs: {one.departure}"
        )
        theirs = _misread_alone(interview, one, by_itself)
        # A misreading that explains every number is taken for the adapter's, unless a script could
        # still tell otherwise.
        if theirs is None and one.misreading and not alone.is_open(title):
            yield found(Status.FAIL, how, f"{advice}; {NO_SCRIPT}")
        elif theirs is None:
            # Where plain calls depart already, that may explain this departure too.
            plain = working[one.trial.question.call.operation][-1]
            status = Status.INFO if interview.departure(plain) else Status.WARN
            yield found(status, how, "see who is at fault: write the call without embcheck")
        elif not theirs:
            yield found(Status.FAIL, f"{how}, but not by the library alone")
        else:
            status = Status.WARN if one.misreading else Status.INFO
            checked = "check that the adapter and its script pass the option on unchanged"
            yield found(status, f"{how}, by its script too", checked)


def _misread_alone(interview: Interview, one: Tried, answer: Answer | None) -> bool | None:
    """Whether the library alone departs too; None if that is not known."""
    call = one.trial.question.call
    if not isinstance(answer, Answered):
        return None
    if one.trial.option == SCHEME:
        return other_scheme(interview.reference, one.trial, answer) is not None
    # A script need not leave all that the adapter reports; what it lacks cannot be compared.
    if not {*call.observe} - {"inputs_after"} <= answer.arrays.keys():
        return None
    if call.operation.is_fresh and "weight_after" not in answer.arrays:
        return None
    return _departure(interview, call, replace(one.exchange, answer=answer)) is not None


def _misreading(interview: Interview, trial: Trial, answer: Answer) -> str | None:
    """Return the misreading of the call that explains its whole answer; None if none does."""
    if not isinstance(answer, Answered):
        return None
    for how, call in trial.misreadings.items():
        exchange = Exchange(Question(how, call), answer)
        if _departure(interview, call, exchange) is None:
            return how
    return None


def _departure(interview: Interview, call: Call, exchange: Exchange) -> str | None:
    """Say how an answer departs from what a call asks; None if it does not, or if none came."""
    if not isinstance(exchange.answer, Answered):
        return None
    weight = exchange.answer.arrays.get("weight_after")
    if call.operation.is_fresh and weight is not None:
        shape = call.option("num_embeddings"), call.option("embedding_dim")
        if weight.shape != shape:
            return f"the weight has shape {list(weight.shape)}, should be {list(shape)}"
    return interview.departure(replace(exchange, question=Question(exchange.question.title, call)))

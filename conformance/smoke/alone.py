"""What the library does without the adapter: the adapter's own scripts, run by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embcheck.conformance.contract.call import Observation
from embcheck.conformance.execution.processes.scratch import Scratch
from embcheck.conformance.execution.protocol.answers import (
    Answer,
    Answered,
    Errored,
    NotSupported,
    Rejected,
)
from embcheck.conformance.reproduction.alone import Program, ask_alone
from embcheck.conformance.reproduction.literals import literal
from embcheck.conformance.smoke.finding import CheckResult, Status
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.questions import Question


@dataclass(frozen=True)
class Alone:
    """The library's own answers to calls, by title, and the calls that have no script.

    Errored means a faulty script. Calls that were left out for lack of time are in neither.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    without_script: Mapping[str, str] = field(default_factory=dict)
    """The adapter's reason, by title."""

    @property
    def writes_any(self) -> bool:
        """Whether the adapter wrote a script of any call."""
        return bool(self.answers)

    def known(self, title: str) -> Answer | None:
        """Return what the library alone answered or refused; None if that is not known."""
        answer = self.answers.get(title)
        return answer if isinstance(answer, (Answered, Rejected)) else None

    def is_open(self, title: str) -> bool:
        """Whether the adapter writes scripts, but the call's was not run for lack of time."""
        return self.writes_any and title not in {*self.answers, *self.without_script}

    def joined(self, other: Alone) -> Alone:
        """Return the answers of both."""
        return Alone(
            {**self.answers, **other.answers}, {**self.without_script, **other.without_script}
        )

    def compared(self, exchanges: Sequence[Exchange], agrees: str, cannot: str) -> str:
        """Say for how many calls the library alone is known to do the same."""
        titles = [exchange.question.title for exchange in exchanges]
        known = sum(self.known(title) is not None for title in titles)
        if not titles:
            return "the library alone was not asked"
        if known == len(titles):
            return f"the library alone {agrees}"
        if known:
            return f"the library alone {agrees} in {known} of them; no script of the others ran"
        unwritten = sum(title in self.without_script for title in titles)
        why = "the adapter writes no script of them"
        if unwritten < len(titles):
            why = "no script of them ran" if any(t in self.answers for t in titles) else "left out"
        return f"{cannot} ({why})"


def ask_the_library(interview: Interview, questions: Sequence[Question]) -> Alone:
    """Run the adapter's scripts of some calls, in one process, without the adapter."""
    answers: dict[str, Answer] = {}
    programs: dict[str, Program] = {}
    without: dict[str, str] = {}
    if not questions:  # Without questions, no process is started.
        return Alone()
    with Scratch() as folder:
        for number, question in enumerate(questions):
            answer = interview.backend.script(question.call)
            if isinstance(answer, Answered):
                path = Path(folder, f"program_{number}.py")
                path.write_text(_program(question, answer.details["script"]), "utf-8")
                programs[question.title] = Program(path, _names(question))
            elif isinstance(answer, NotSupported):
                without[question.title] = answer.reason
            else:
                said = Exchange(question, answer).said
                answers[question.title] = Errored(f"the script was not written: {said}")
        asked = [*programs.values()]
        told = ask_alone(asked, interview.backend.info, interview.python, interview.timeout)
    # A script that ran and leaves no output is faulty: it answers nothing.
    for title, answer in zip(programs, told, strict=True):
        is_empty = isinstance(answer, Answered) and "output" not in answer.arrays
        fault = "the script leaves no array of the name output"
        answers[title] = Errored(fault) if is_empty else answer
    return Alone(answers, without)


def refused_alone(
    exchange: Exchange, alone: Alone, check: str, advice: str
) -> Iterator[CheckResult]:
    """Fail a call that the adapter answers and the library alone refuses."""
    title = exchange.question.title
    answer = alone.known(title)
    if exchange.is_answered and isinstance(answer, Rejected):
        said = (
            f"{title} is answered, but the library alone refuses it "
            f"({answer.exception}: {answer.message})"
        )
        yield CheckResult(Status.FAIL, check, said, advice)


def _names(question: Question) -> tuple[str, ...]:
    """Name the arrays that a script may leave: the call's observations, and the weight."""
    # The weight, since a fresh module's output is judged by the weight that it drew.
    wanted = (*question.call.observe, Observation.WEIGHT_AFTER)
    return tuple(str(name) for name in wanted if name != Observation.INPUTS_AFTER)


def _program(question: Question, script: str) -> str:
    arrays = (f"{name} = {literal(array)}" for name, array in question.call.inputs.items())
    return "\n".join(["import numpy as np", *arrays, script])

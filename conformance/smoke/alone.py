"""What the library does without the adapter: the adapter's own scripts, run by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from embcheck.conformance.execution.answers import Answer, Answered, Errored, NotSupported, Rejected
from embcheck.conformance.execution.scratch import Scratch
from embcheck.conformance.reproduction.alone import Program, ask_alone
from embcheck.conformance.reproduction.literals import literal
from embcheck.conformance.smoke.finding import CheckResult, Status
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.questions import Question


def answers_alone(interview: Interview, questions: Sequence[Question]) -> dict[str, Answer]:
    """Return the library's own answer to each call, by title; Errored means a faulty script.

    Calls for which the adapter writes no script are left out.
    """
    answers: dict[str, Answer] = {}
    programs: dict[str, Program] = {}
    with Scratch() as folder:
        for number, question in enumerate(questions):
            answer = interview.backend.script(question.call)
            if isinstance(answer, Answered):
                path = Path(folder, f"program_{number}.py")
                path.write_text(_program(question, answer.details["script"]), "utf-8")
                programs[question.title] = Program(path, ("output",))
            elif not isinstance(answer, NotSupported):
                said = Exchange(question, answer, printed=0).said
                answers[question.title] = Errored(f"the script was not written: {said}")
        asked = [*programs.values()]
        told = ask_alone(asked, interview.backend.info, interview.python, interview.timeout)
    for title, answer in zip(programs, told, strict=True):
        is_empty = isinstance(answer, Answered) and "output" not in answer.arrays
        fault = "the script leaves no array of the name output"
        answers[title] = Errored(fault) if is_empty else answer
    return answers


def known_alone(interview: Interview, questions: Sequence[Question]) -> dict[str, Answer]:
    """Return what the library alone answered or refused; leaves out faulty scripts and crashes."""
    told = answers_alone(interview, questions)
    known = (Answered, Rejected)
    return {title: answer for title, answer in told.items() if isinstance(answer, known)}


def refused_alone(
    exchange: Exchange, alone: Mapping[str, Answer], check: str, advice: str
) -> Iterator[CheckResult]:
    """Fail a call that the adapter answers and the library alone refuses."""
    title = exchange.question.title
    answer = alone.get(title)
    if exchange.is_answered and isinstance(answer, Rejected):
        said = (
            f"{title} is answered, but the library alone refuses it "
            f"({answer.exception}: {answer.message})"
        )
        yield CheckResult(Status.FAIL, check, said, advice)


def _program(question: Question, script: str) -> str:
    arrays = (f"{name} = {literal(array)}" for name, array in question.call.inputs.items())
    return "\n".join(["import numpy as np", *arrays, script])

"""What the library does without the adapter: the adapter's own scripts, run by themselves."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from embcheck.conformance.execution.client import ENVIRONMENT, Answered, NotSupported
from embcheck.conformance.reproduction.literals import literal
from embcheck.conformance.smoke.finding import Finding, Status
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.questions import Question

RUNNER = """
import json, sys

def tell(path):
    names = {"__name__": "__main__"}
    try:
        with open(path, encoding="utf-8") as program:
            exec(compile(program.read(), path, "exec"), names)
    except (ImportError, NameError, SyntaxError) as error:
        return {"fault": f"does not run: {type(error).__name__}: {error}"}
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    if not hasattr(names.get("output"), "tolist"):
        return {"fault": "leaves no array of the name output"}
    return {"output": names["output"].tolist()}

with open(sys.argv[1], "w") as told:
    for path in sys.argv[2:]:
        print(json.dumps(tell(path)), file=told, flush=True)
"""
"""Writes what came of each program at once, so that a death leaves what was told before it.

The programs are files, since some compilers read the source of what they compile.
"""


def ask_alone(interview: Interview, questions: Sequence[Question]) -> dict[str, dict[str, Any]]:
    """Return what the library alone makes of each call, as far as that is known, by title.

    That is what `run_alone` tells, or `fault` where no script was written for another reason than
    that the adapter has none.
    """
    programs: dict[str, str] = {}
    faults: dict[str, dict[str, Any]] = {}
    for question in questions:
        answer = interview.backend.script(question.call)
        if isinstance(answer, Answered):
            programs[question.title] = _program(question, answer.details["script"])
        elif not isinstance(answer, NotSupported):
            said = Exchange(question, answer, printed=0).said
            faults[question.title] = {"fault": f"was not written: {said}"}
    if not programs:
        return faults
    told = run_alone(interview.python, list(programs.values()), interview.timeout)
    return faults | dict(zip(programs, told, strict=False))  # A death leaves the last ones untold.


def known_alone(interview: Interview, questions: Sequence[Question]) -> dict[str, dict[str, Any]]:
    """Return what `ask_alone` tells of the library, without what is wrong with the scripts."""
    told = ask_alone(interview, questions)
    return {title: found for title, found in told.items() if "fault" not in found}


def refused_alone(
    exchange: Exchange, alone: Mapping[str, Any], check: str, advice: str
) -> Iterator[Finding]:
    """Fail what is answered through the adapter, and refused by the library alone."""
    if exchange.is_answered and "refused" in alone:
        said = (
            f"{exchange.question.title} is answered, but the library alone refuses it "
            f"({alone['refused']})"
        )
        yield Finding(Status.FAIL, check, said, advice)


def _program(question: Question, script: str) -> str:
    arrays = (f"{name} = {literal(array)}" for name, array in question.call.inputs.items())
    return "\n".join(["import numpy as np", *arrays, script])


def run_alone(python: str, programs: Sequence[str], timeout: float) -> list[dict[str, Any]]:
    """Run programs one after another under an interpreter; return what each came to.

    That is `output`, as nested lists, or `refused`, the exception, or `fault`, what is wrong with
    the program. What follows a death, or the end of the time, is not told.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told.jsonl")
        paths = [Path(folder, f"program_{number}.py") for number in range(len(programs))]
        for path, program in zip(paths, programs, strict=True):
            path.write_text(program, "utf-8")
        process = subprocess.Popen(  # noqa: S603  (the interpreter that the user named)
            [python, "-c", RUNNER, str(told), *map(str, paths)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ENVIRONMENT},
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        text = told.read_text("utf-8") if told.exists() else ""
    return [json.loads(line) for line in text.splitlines()]

"""Ask a library alone: run programs in processes of their own, and read their results."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.processes.limits import Limits
from embcheck.conformance.execution.processes.process import WorkerProcess, start_worker
from embcheck.conformance.execution.processes.scratch import Scratch
from embcheck.conformance.execution.processes.starter import ENVIRONMENT
from embcheck.conformance.execution.protocol import wire
from embcheck.conformance.execution.protocol.answers import (
    Answer,
    Answered,
    Crashed,
    Errored,
    Rejected,
    TimedOut,
    broken_protocol,
    death_of,
    refuser_of,
)
from embcheck.conformance.execution.protocol.checks import fields, text
from embcheck.conformance.execution.protocol.messages import parted

_RUNNER = "embcheck.conformance.reproduction.runner"
SAID_BYTES = 2000
"""How much is read of what a process printed last."""
_RESULTS = {
    "answered": fields({}),
    "refused": fields({"refuser": text, "exception": text, "message": text}),
    "broken": fields({"message": text}),
}


@dataclass(frozen=True)
class Program:
    """The file with the lines of one call, and the names that they define."""

    path: Path
    observe: tuple[str, ...]


def ask_alone(
    programs: Sequence[Program], info: BackendInfo, python: str, seconds: float
) -> list[Answer]:
    """Run programs under an interpreter, each for so many seconds; return an answer for each.

    They share a process. After a death or a hang, another process runs the rest.
    """
    answers: list[Answer] = []
    # Each process answers one program at least, so that this ends.
    while len(answers) < len(programs):
        left = programs[len(answers) :]
        answers += _in_one_process(left, info, python, seconds)
    return answers


def _in_one_process(
    programs: Sequence[Program], info: BackendInfo, python: str, seconds: float
) -> list[Answer]:
    """Return answers up to the first death or hang, which is the last one; at least one."""
    with Scratch() as folder:
        request, told = Path(folder, "request.json"), Path(folder, "told")
        names = {"id": info.id, "library": info.library}
        modules = {"modules": info.modules, "exporters": info.exporters}
        asked = [{"path": str(p.path), "observe": p.observe} for p in programs]
        request.write_text(json.dumps({"info": names | modules, "programs": asked}), "utf-8")
        with Path(folder, "errors").open("w+b") as errors:
            process = start_worker(
                [python, "-m", _RUNNER, str(request), str(told)],
                {**os.environ, **ENVIRONMENT, "TMPDIR": folder},
                output=errors.fileno(),
                channel=(),  # Answers come by a file, which a crash does not take along.
                limits=Limits(),
                writable=[folder],
                scratch=folder,
                folder=folder,
            )
            try:
                ended = _wait(process, told, seconds)
            finally:
                # Also processes that the programs started, which would outlive their folder.
                process.close()
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - SAID_BYTES))
            said = errors.read()
        answers = _read(told)
    if len(answers) < len(programs):
        answers.append(_ended(process, said) if ended else TimedOut(seconds))
    return answers


def _wait(process: WorkerProcess, told: Path, seconds: float) -> bool:
    """Wait until a process ends, or writes nothing for so many seconds; say whether it ended."""
    # What it has written tells its progress: a program began when the one before was answered.
    size = -1
    while (now := told.stat().st_size if told.exists() else 0) != size:
        size = now
        try:
            process.wait(seconds)
        except TimeoutError:
            continue
        return True
    return False


def _ended(process: WorkerProcess, said: bytes) -> Answer:
    """Say how a process ended early."""
    code = process.code
    if code is None:
        return Crashed(f"the process was killed: {process.broken or 'it lost its keeper'}")
    return Crashed(death_of(code, said.decode("utf-8", "replace").strip()))


def _read(told: Path) -> list[Answer]:
    answers: list[Answer] = []
    if told.exists():
        with told.open("rb") as stream:
            while stream.peek(1):
                try:
                    header, arrays = wire.receive(stream)
                    status, reply = parted(header, "the result", _RESULTS)
                except wire.Closed:  # It died while it wrote its last answer.
                    break
                except wire.Broken as broken:
                    return [*answers, broken_protocol(broken)]
                if status == "broken":
                    answers.append(Errored(f"the script does not run: {reply['message']}"))
                elif status == "refused":
                    answers.append(
                        Rejected(reply["exception"], reply["message"], refuser=refuser_of(reply))
                    )
                else:
                    answers.append(Answered(arrays))
    return answers

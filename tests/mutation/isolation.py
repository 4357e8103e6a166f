"""Run each mutant in a process of its own, with limits of time and memory, several at a time."""

from __future__ import annotations

import copy
import importlib
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.execution.judging.verdict import Outcome
from mutation.judging import Make, Seen
from mutation.patching import PACKAGE, Sources, write_package

SECONDS = 60.0
"""Time limit for one case."""
MEMORY = 4 * 1024**3

Judge = Callable[[Make], Iterator[tuple[str, Seen]]]


@dataclass(frozen=True)
class Trial:
    """A version of the sources, and how it is judged.

    `judge` yields what each case came to; it may stop early. `order` lists its cases in order.
    """

    name: str
    sources: Sources
    judge: Judge
    order: list[str]


@dataclass
class Run:
    """A process that judges one mutant and sends what it sees, case by case."""

    trial: Trial
    folder: tempfile.TemporaryDirectory[str]
    process: BaseProcess
    connection: Connection
    seconds: float
    seen: dict[str, Seen] = field(default_factory=dict)
    ending: Outcome | None = Outcome.CRASHED
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.seconds

    def receive(self) -> bool:
        """Receive one message; return whether more will follow."""
        try:
            message = self.connection.recv()
        except EOFError:
            return False
        if message is None:
            self.ending = None
            return False
        case, seen = message
        self.seen[case] = seen
        self.deadline = time.monotonic() + self.seconds
        return True

    def stop(self) -> dict[str, Seen]:
        """End the process, and return what was seen of each case.

        If it crashed or timed out, that is the outcome of the case it was running.
        """
        self.process.kill()
        self.process.join()
        self.connection.close()
        self.folder.cleanup()
        if self.ending and len(self.seen) < len(self.trial.order):
            self.seen[self.trial.order[len(self.seen)]] = Seen(self.ending)
        return self.seen


def judge_apart(
    trials: Iterable[Trial], jobs: int = 2, seconds: float = SECONDS
) -> Iterator[tuple[str, dict[str, Seen]]]:
    """Judge versions of the sources, each in its own process; yield each result as it is ready."""
    waiting = deque(trials)
    running: dict[Connection, Run] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            run = _start(waiting.popleft(), seconds)
            running[run.connection] = run
        ready = wait(list(running), timeout=1.0)
        ended = [run for link, run in running.items() if link in ready and not run.receive()]
        for run in running.values():
            if time.monotonic() > run.deadline and run not in ended:
                run.ending = Outcome.TIMED_OUT
                ended.append(run)
        for run in ended:
            del running[run.connection]
            yield run.trial.name, run.stop()


def _start(trial: Trial, seconds: float) -> Run:
    context = multiprocessing.get_context("fork")
    folder = tempfile.TemporaryDirectory(prefix="embcheck-mutant-")
    write_package(trial.sources, Path(folder.name))
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_judge_here, args=(folder.name, trial.judge, theirs))
    process.start()
    theirs.close()
    return Run(trial, folder, process, ours, seconds)


def _judge_here(folder: str, judge: Judge, connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")  # Some generated mutants compare strings with `is`.
    for message in judge(_import_mutant()):
        connection.send(message)
    connection.send(None)


def _import_mutant() -> Make:
    """Import the mutant; return a function that makes backends, which share no state."""
    create = importlib.import_module(f"{PACKAGE}.numpy_reference").NumpyReference
    spaces = [vars(mod) for name, mod in sys.modules.items() if name.startswith(f"{PACKAGE}.")]
    kept = [
        (space, name, copy.deepcopy(value))
        for space in spaces
        for name, value in space.items()
        if isinstance(value, (dict, list, set)) and not name.startswith("__")
    ]

    def make() -> Backend:
        for space, name, value in kept:
            space[name] = copy.deepcopy(value)
        return create()

    return make

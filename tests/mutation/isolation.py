"""Run each mutant in a process of its own, with a limit of time and memory, two at a time."""

from __future__ import annotations

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
from embcheck.conformance.execution.judge import Outcome
from mutation.judging import Seen
from mutation.patching import PACKAGE, Sources, write_package

SECONDS = 60.0
MEMORY = 4 * 1024**3

Judge = Callable[[Backend], Iterator[tuple[str, Seen]]]


@dataclass
class Run:
    """A process that judges one mutant and sends what it sees, case by case."""

    name: str
    folder: tempfile.TemporaryDirectory[str]
    process: BaseProcess
    connection: Connection
    deadline: float
    seen: dict[str, Seen] = field(default_factory=dict)
    ending: Outcome = Outcome.CRASHED

    def receive(self) -> bool:
        """Take one message; return whether the process has more to say."""
        try:
            case, seen = self.connection.recv()
        except EOFError:
            return False
        self.seen[case] = seen
        return True

    def stop(self, order: list[str]) -> dict[str, Seen]:
        """End the process; the case that it did not come back from carries how it ended."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        self.folder.cleanup()
        if len(self.seen) < len(order):
            self.seen[order[len(self.seen)]] = Seen(self.ending)
        return self.seen


def judge_apart(
    versions: Iterable[tuple[str, Sources]],
    judge: Judge,
    order: list[str],
    jobs: int = 2,
    seconds: float = SECONDS,
) -> Iterator[tuple[str, dict[str, Seen]]]:
    """Judge named versions of the sources, each in its own process; yield them as they end.

    `order` lists the cases as the judge runs them.
    """
    waiting = deque(versions)
    running: dict[Connection, Run] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            run = _start(*waiting.popleft(), judge, seconds)
            running[run.connection] = run
        ready = wait(list(running), timeout=1.0)
        ended = [run for link, run in running.items() if link in ready and not run.receive()]
        for run in running.values():
            if time.monotonic() > run.deadline and run not in ended:
                run.ending = Outcome.TIMED_OUT
                ended.append(run)
        for run in ended:
            del running[run.connection]
            yield run.name, run.stop(order)


def _start(name: str, sources: Sources, judge: Judge, seconds: float) -> Run:
    context = multiprocessing.get_context("fork")
    folder = tempfile.TemporaryDirectory(prefix="embcheck-mutant-")
    write_package(sources, Path(folder.name))
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_judge_here, args=(folder.name, judge, theirs))
    process.start()
    theirs.close()
    return Run(name, folder, process, ours, time.monotonic() + seconds)


def _judge_here(folder: str, judge: Judge, connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")  # A tool's mutants compare text by identity.
    module = importlib.import_module(f"{PACKAGE}.numpy_reference")
    for message in judge(module.NumpyReference()):
        connection.send(message)

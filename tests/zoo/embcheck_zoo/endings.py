"""Backends that do not come back from a call as they should."""

from __future__ import annotations

import mmap
import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from embcheck.conformance.contract.backend import Unavailable
from embcheck.conformance.contract.call import Call
from embcheck_zoo.base import Correct, is_trigger


class Segfaults(Correct):
    """Dies of a signal in the middle of a run."""

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.correct(call)


class SurvivesNoFork(Correct):
    """Declares that it cannot be forked once it is imported, and dies of it."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, survives_fork=False)
        self._home = os.getpid()

    def answer(self, call: Call) -> Any:
        if os.getpid() != self._home:
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.correct(call)


class Litters(Correct):
    """Writes a temporary file, and dies before it takes that away."""

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            with tempfile.NamedTemporaryFile(delete=False) as file:
                file.write(b"litter")
            os.kill(os.getpid(), signal.SIGKILL)
        return self.correct(call)


class EndsTheProcess(Correct):
    """Ends the process with exit code 0, as if all were well."""

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            os._exit(0)
        return self.correct(call)


class Exits(Correct):
    """Raises SystemExit."""

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            raise SystemExit(0)
        return self.correct(call)


class Hangs(Correct):
    """Never answers."""

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            time.sleep(3600)
        return self.correct(call)


class Prints(Correct):
    """Prints to stdout and stderr, and to the file descriptors behind them."""

    def answer(self, call: Call) -> Any:
        print('{"type": "result", "outcome": "passed"}')
        print("noise", file=sys.stderr)
        os.write(1, b"\x00\x00\x00\x00\x00\x00\x00\x08raw bytes\n")
        return self.correct(call)


class Floods(Correct):
    """Prints 20 MB for every call."""

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            for _ in range(20):
                os.write(1, b"x" * 1_000_000)
        return self.correct(call)


class FloodsWithoutEnd(Correct):
    """Prints and never stops."""

    def answer(self, call: Call) -> Any:
        while is_trigger(call):
            os.write(1, b"x" * 1_000_000)
        return self.correct(call)


class Swells(Correct):
    """Takes ever more memory."""

    def answer(self, call: Call) -> Any:
        taken = []
        while is_trigger(call):
            taken.append(np.ones(8_000_000))
            time.sleep(0.01)
        return self.correct(call)


class Multiplies(Correct):
    """Starts ever more threads."""

    def answer(self, call: Call) -> Any:
        while is_trigger(call):
            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        return self.correct(call)


class HoardsMappings(Correct):
    """Maps memory anew in every call, as a compiler does for each program, and dies of it."""

    def answer(self, call: Call) -> Any:
        kept = vars(self).setdefault("kept", [])
        try:
            kept += [mmap.mmap(-1, mmap.PAGESIZE) for _ in range(1000)]
        except OSError:
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.correct(call)


class HoardsMemory(Correct):
    """Keeps 20 MiB of every call, as a compiler keeps its programs."""

    def answer(self, call: Call) -> Any:
        vars(self).setdefault("kept", []).append(b"x" * (20 * 1024**2))
        return self.correct(call)


def make_unavailable() -> NoReturn:
    """Stand for a backend whose device is absent."""
    raise Unavailable("the zoo has no such device")

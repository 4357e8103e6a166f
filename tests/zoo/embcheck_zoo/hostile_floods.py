"""Backends that supply far more than was asked for: text, arrays, output, files, processes.

`EMBCHECK_ZOO_FLOOD` names the flood, so that one adapter stands for many.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Provided, Provision, Unavailable, Unsupported
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.help import helps
from embcheck_zoo.base import Correct, is_trigger

MIB = 2**20
LONG = "x" * (5 * MIB)
EATER = "import time; kept = b'x' * (400 << 20); time.sleep(600)"
DETACHED = (
    "import os, sys\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    f"        os.execv(sys.executable, [sys.executable, '-c', {EATER!r}])\n"
    "    os._exit(0)\n"
    "os._exit(0)\n"
)
"""A program that leaves one behind which no parent, session or group leads to."""


def print_much(stop: float = 0.0) -> None:
    """Print 300 MB, in small pieces."""
    for _ in range(300):
        os.write(1, b"x" * 1_000_000)
        time.sleep(stop)


class Overflows(Correct):
    """Answers rightly, and floods in the way that the environment names."""

    def __init__(self) -> None:
        super().__init__()
        self._flood = os.environ.get("EMBCHECK_ZOO_FLOOD", "")
        info = self.info
        operation = next(iter(info.operations))
        floods: dict[str, Any] = {
            "version": {"version": LONG},
            "library": {"library": LONG},
            "settings": {"settings": {f"{n}": "y" * 20_000 for n in range(600)}},
            "setting-name": {"settings": {LONG: "y"}},
            "made-from": {"made_from": LONG},
            "modules": {"modules": (*info.modules, *(f"m{n}" for n in range(100_000)))},
            "exporters": {"exporters": (LONG,)},
            "spelling": {
                "operations": {**info.operations, operation: Provided(Provision.NATIVE, LONG)}
            },
        }
        self.info = replace(info, **floods.get(self._flood, {}))
        if self._flood == "unavailable":
            raise Unavailable(LONG * 3)
        if self._flood == "import-error":
            raise RuntimeError(LONG)
        if self._flood == "import-class":
            raise type(LONG, (Exception,), {})("short")

    def prepare(self, call: Call) -> Any:
        if is_trigger(call) and self._flood == "unsupported":
            raise Unsupported(LONG * 3)
        if is_trigger(call) and self._flood == "help":
            for number in range(100_000):
                helps(f"did {number}")
        return super().prepare(call)

    def answer(self, call: Call) -> Any:
        if not is_trigger(call):
            return self.correct(call)
        flood: Callable[[Call], Any] | None = getattr(
            self, f"_{self._flood}".replace("-", "_"), None
        )
        answer = self.correct(call) if flood is None else flood(call)
        return self.correct(call) if answer is None else answer

    def _message(self, _: Call) -> Any:
        raise ValueError(LONG)

    def _class_name(self, _: Call) -> Any:
        raise type(LONG, (ValueError,), {})("short")

    def _exit_message(self, _: Call) -> Any:
        raise SystemExit(LONG)

    def _extra(self, call: Call) -> Any:
        return {**self.correct(call), "extra_text": np.full(21 * MIB, 120, np.uint8)}

    def _extras(self, call: Call) -> Any:
        return {**self.correct(call), **{f"extra_{n}": np.zeros(1) for n in range(10_000)}}

    def _extra_name(self, call: Call) -> Any:
        return {**self.correct(call), LONG: np.zeros(1)}

    def _empty_rows(self, call: Call) -> Any:
        return {**self.correct(call), "output": np.empty((10**7, 0))}

    def _many_axes(self, call: Call) -> Any:
        return {**self.correct(call), "output": np.zeros((7,) * 8)}

    def _large_answer(self, call: Call) -> Any:
        return {**self.correct(call), "output": np.zeros(10 * MIB, np.float32)}

    def _print(self, _: Call) -> None:
        print_much()

    def _print_later(self, _: Call) -> None:
        threading.Thread(target=print_much, args=(0.001,), daemon=True).start()

    def _print_some(self, _: Call) -> None:
        os.write(1, b"z" * (20 * MIB))

    def _detach(self, _: Call) -> None:
        subprocess.run([sys.executable, "-c", DETACHED], check=True)

    def _detach_and_wait(self, _: Call) -> None:
        subprocess.run([sys.executable, "-c", DETACHED], check=True)
        time.sleep(600)

    def _eat_later(self, _: Call) -> None:
        threading.Timer(1.0, lambda: setattr(self, "kept", b"x" * (400 * MIB))).start()

    def _child_eats(self, _: Call) -> None:
        subprocess.Popen([sys.executable, "-c", EATER], start_new_session=True)
        time.sleep(600)

    def _files(self, _: Call) -> None:
        write(40)

    def _files_without_end(self, _: Call) -> None:
        while True:
            write(40)


def write(size: int) -> None:
    """Leave a file of so many MiB behind."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        for _ in range(size):
            file.write(os.urandom(1024) * 1024)

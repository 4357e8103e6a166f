"""Backends that would deceive a clock."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call
from embcheck_zoo.base import Correct

SOON = 40
"""Calls after which the animals that wait for it turn bad: beyond the gate, within the timing."""


class Remembers(Correct):
    """Computes while it prepares, and hands the same answer out at every call."""

    def prepare(self, call: Call) -> Any:
        answer = self.correct(call)
        return lambda: answer


class RemembersFrozen(Correct):
    """The same, with answers that nobody can overwrite."""

    def prepare(self, call: Call) -> Any:
        answer = self.correct(call)
        answer["output"] = answer["output"].copy()
        answer["output"].setflags(write=False)
        return lambda: answer


class GoesStale(Correct):
    """Answers rightly for a while, then for ever what it answered last, plus one."""

    calls = 0

    def answer(self, call: Call) -> Any:
        self.calls += 1
        answer = self.correct(call)
        return answer if self.calls < SOON else {**answer, "output": answer["output"] + 1}


class DiesWhileTimed(Correct):
    """Ends its process once the clock runs."""

    calls = 0

    def answer(self, call: Call) -> Any:
        self.calls += 1
        if self.calls >= SOON:
            os._exit(7)
        return self.correct(call)


class NarrowsSilently(Correct):
    """Computes in float16 what was float32."""

    def answer(self, call: Call) -> Any:
        weight = call.inputs["weight"].astype(np.float16)
        return self.correct(replace(call, inputs={**call.inputs, "weight": weight}))


class SlowFirstCall(Correct):
    """Takes 300 ms for its first call, as if it compiled."""

    slow = True

    def answer(self, call: Call) -> Any:
        if self.slow:
            self.slow = False
            time.sleep(0.3)
        return self.correct(call)


class CompilesOnce(Correct):
    """Takes 300 ms for a call's preparation, unless it finds on disk what that left."""

    def prepare(self, call: Call) -> Any:
        compiled = cache_folder("zoo") / "compiled"
        if not compiled.exists():
            time.sleep(0.3)
            compiled.parent.mkdir(parents=True, exist_ok=True)
            compiled.touch()
        return lambda: self.correct(call)


class RaisesAtFirst(Correct):
    """Fails its first call, as a warm-up may, and answers all later ones."""

    warm = False

    def answer(self, call: Call) -> Any:
        if not self.warm:
            self.warm = True
            raise RuntimeError("not warm yet")
        return self.correct(call)


class AnswersOneShape(Correct):
    """Answers calls of the shape that it saw first, and loses the last row of others."""

    shape: tuple[int, ...] = ()

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        self.shape = self.shape or call.inputs["indices"].shape
        if call.inputs["indices"].shape != self.shape:
            answer["output"] = answer["output"][:-1]
        return answer


class WidensSilently(Correct):
    """Computes in float32 what was float16, and says nothing of it."""

    def answer(self, call: Call) -> Any:
        weight = call.inputs["weight"].astype(np.float32)
        return self.correct(replace(call, inputs={**call.inputs, "weight": weight}))


class HogsThreads(Correct):
    """Works with eight threads, whatever it is allowed."""

    def __init__(self) -> None:
        super().__init__()
        self._executor = ThreadPoolExecutor(8)

    def answer(self, call: Call) -> Any:
        list(self._executor.map(self._work, range(8)))
        return self.correct(call)

    def _work(self, _: int) -> None:
        hashlib.sha256(bytes(100_000))


class SpinsWhileIdle(Correct):
    """Keeps a core busy while others are timed."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=self._spin, daemon=True).start()

    def _spin(self) -> None:
        while True:
            sum(range(1000))


class OnDevice(Correct):
    """Works on a device of its own making, whose clock goes by fixed steps and is throttled."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, device="fake")

    def on_device(self, call: Call) -> Any:
        log: list[str] = []

        class Clock:
            flush = occupy = start = stop = staticmethod(lambda: log.append("mark"))

            def seconds(self) -> float:
                return 1e-6 * len(log)

            def state(self) -> Any:
                return {"sm_mhz": 1000, "throttled": "power cap" if log else ""}

        return (lambda: self.correct(call)), Clock()

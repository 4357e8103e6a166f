"""Backends that return before their answer exists, and one that only looks like it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck_zoo.base import Correct

LATE_SECONDS = 0.002


class HandsOutFutures(Correct):
    """Returns before the answer exists."""

    def __init__(self) -> None:
        super().__init__()
        self._executor = ThreadPoolExecutor(1)

    def answer(self, call: Call) -> Any:
        return self._executor.submit(self._late, call)

    def _late(self, call: Call) -> Any:
        time.sleep(LATE_SECONDS)
        return self.correct(call)

    def to_numpy(self, answer: Future[Any]) -> Any:
        return answer.result()


class CopiesIntoFutures(HandsOutFutures):
    """The same with inputs of its own, as libraries on devices have: only time tells."""

    def prepare(self, call: Call) -> Any:
        return super().prepare(_owned(call))


class FillsLater(Correct):
    """Returns an array that a thread fills afterwards, and waits for nothing when it is read."""

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        promised = {**answer, "output": np.zeros_like(answer["output"])}
        threading.Thread(target=_fill, args=(promised["output"], answer["output"])).start()
        return promised


class FillsTheSame(Correct):
    """The same, in the same memory at every call: what lies there looks like the answer."""

    def prepare(self, call: Call) -> Any:
        owned = _owned(call)
        promised = self.correct(owned)

        def answer() -> Any:
            rows = self.correct(owned)["output"]
            threading.Thread(target=_fill, args=(promised["output"], rows)).start()
            return dict(promised)

        return answer


class EvaluatesWhenRead(Correct):
    """Computes an answer when it is first read, from inputs of its own, and remembers it."""

    def prepare(self, call: Call) -> Any:
        owned = _owned(call)
        return lambda: [owned]

    def to_numpy(self, answer: Any) -> Any:
        if isinstance(answer[0], Call):
            time.sleep(LATE_SECONDS)
            answer[0] = self.correct(answer[0])
        return answer[0]


class ReadsSlowly(Correct):
    """Waits for its answers, but takes far longer to bring them home, each time otherwise."""

    def to_numpy(self, answer: Any) -> Any:
        time.sleep(float(np.random.default_rng().exponential(0.002)))
        return answer


def _owned(call: Call) -> Call:
    return replace(call, inputs={name: array.copy() for name, array in call.inputs.items()})


def _fill(promised: np.ndarray, rows: np.ndarray) -> None:
    time.sleep(LATE_SECONDS)
    np.copyto(promised, rows)

"""What the clock is put around: calls in a row, and the sentinel's gather."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call

TIMER_SAMPLES = 2000
LOOP_LOOKS = 5


class Sentinel:
    """A bare `np.take` into memory that is there already: what the machine's noise is read from."""

    def prepare(self, call: Call) -> Callable[[], np.ndarray]:
        """Return a thunk that gathers the rows of all indices, whatever the operation."""
        weight, indices = call.inputs["weight"], call.inputs["indices"].reshape(-1)
        out = np.empty((indices.size, weight.shape[1]), weight.dtype)
        return lambda: np.take(weight, indices, axis=0, mode="clip", out=out)

    def to_numpy(self, answer: np.ndarray) -> Mapping[str, np.ndarray]:
        """Name the rows."""
        return {"output": answer}


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Run something, and return the seconds that it took and its result."""
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def run(thunks: list[Callable[[], Any]]) -> tuple[float, Any]:
    """Call thunks in a row; return the seconds that all took together, and the last answer.

    There is one at least. Each answer is dropped before the next call, which may then have its
    memory; kept until then, two would take turns in two places.
    """
    *others, last = thunks
    started = time.perf_counter()
    for thunk in others:
        thunk()
    answer = last()
    return time.perf_counter() - started, answer


def nothing() -> None:
    """Do nothing."""


def involuntary_switches() -> int:
    """Count how often this process has lost its core to another."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def clock_costs() -> tuple[float, float]:
    """Return the seconds that one reading of the clock costs, and one turn of a block's loop.

    The loop without the call in it, which whoever calls a thunk pays for.
    """
    clock = time.perf_counter
    timer = min(-(clock() - clock()) for _ in range(TIMER_SAMPLES))
    calls, tens = [nothing] * TIMER_SAMPLES, [_ten_calls] * (TIMER_SAMPLES // 10)
    looped = min(run(calls)[0] for _ in range(LOOP_LOOKS)) / TIMER_SAMPLES
    # Ten calls cost their own call and a turn of the loop, an eleventh of which is as good as none.
    bare = min(run(tens)[0] for _ in range(LOOP_LOOKS)) / len(tens) / 11
    return timer, max(0.0, looped - bare)


def _ten_calls() -> None:
    nothing()
    nothing()
    nothing()
    nothing()
    nothing()
    nothing()
    nothing()
    nothing()
    nothing()
    nothing()

"""What the clock is put around: calls in a row, and the sentinel's gather."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call

TIMER_SAMPLES = 2000


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
    """Call thunks in a row; return the seconds that all took together, and the last answer."""
    answer = None
    started = time.perf_counter()
    for thunk in thunks:
        answer = thunk()
    return time.perf_counter() - started, answer


def nothing() -> None:
    """Do nothing."""


def involuntary_switches() -> int:
    """Count how often this process has lost its core to another."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def clock_costs() -> tuple[float, float]:
    """Return the seconds that one reading of the clock costs, and an empty iteration of a block."""
    clock = time.perf_counter
    timer = min(-(clock() - clock()) for _ in range(TIMER_SAMPLES))
    empty, _ = run([nothing] * TIMER_SAMPLES)
    return timer, empty / TIMER_SAMPLES

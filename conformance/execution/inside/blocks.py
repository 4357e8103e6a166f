"""The code that is timed: blocks of calls in a row, and the sentinel's gather."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call

TIMER_SAMPLES = 2000
TURNS = 2000
LOOP_LOOKS = 5
CALLS_A_TURN = 10

Thunk = Callable[[], Any]


class Sentinel:
    """A bare `np.take` into existing memory, whose times show the noise of the machine."""

    def prepare(self, call: Call) -> Callable[[], np.ndarray]:
        """Return a thunk that gathers the rows of all indices, whatever the operation."""
        weight, indices = call.inputs["weight"], call.inputs["indices"].reshape(-1)
        out = np.empty((indices.size, weight.shape[1]), weight.dtype)
        return lambda: np.take(weight, indices, axis=0, mode="clip", out=out)

    def to_numpy(self, answer: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the rows as `output`."""
        return {"output": answer}


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Run something, and return the seconds that it took and its result."""
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def block_of(
    thunks: Sequence[Thunk], calls: int, start: int = 0
) -> Callable[[], tuple[float, Any]]:
    """Return a function that calls thunks in turn, `calls` times from the `start`-th on.

    It returns the seconds of all calls and the last answer. Each answer is dropped before the next
    call, which may then reuse its memory. If answers were kept until the next one comes, two places
    in memory would take turns.
    """
    if len(thunks) == 1:
        return partial(_repeat, thunks[0], calls)
    # The order is made before the clock starts, so that only the calls are timed.
    return partial(_rotate, [thunks[(start + turn) % len(thunks)] for turn in range(calls)])


def _rotate(thunks: Sequence[Thunk]) -> tuple[float, Any]:
    *others, last = thunks
    started = time.perf_counter()
    for thunk in others:
        thunk()
    answer = last()
    return time.perf_counter() - started, answer


def _repeat(thunk: Thunk, calls: int) -> tuple[float, Any]:
    """Call one thunk many times, ten in each turn of the loop, to keep the loop's share small."""
    tens, ones = map(range, divmod(calls - 1, CALLS_A_TURN))
    started = time.perf_counter()
    for _ in tens:
        thunk()
        thunk()
        thunk()
        thunk()
        thunk()
        thunk()
        thunk()
        thunk()
        thunk()
        thunk()
    for _ in ones:
        thunk()
    answer = thunk()
    return time.perf_counter() - started, answer


def involuntary_switches() -> int:
    """Count how often this process has lost its core to another."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def clock_costs(thunks: int) -> tuple[float, float]:
    """Return the seconds of one reading of the clock, and of the loop around one call in a block.

    The call itself is not included: each user of a thunk pays for it. `thunks` is the number of
    thunks that take turns in the block.
    """
    clock = time.perf_counter
    # The least of many, since an interruption only makes a reading longer.
    timer = min(-(clock() - clock()) for _ in range(TIMER_SAMPLES))
    turn = min(_turns([None] * TURNS) for _ in range(LOOP_LOOKS)) / TURNS
    return timer, turn / CALLS_A_TURN if thunks == 1 else turn


def _turns(items: Sequence[None]) -> float:
    started = time.perf_counter()
    for _ in items:
        pass
    return time.perf_counter() - started

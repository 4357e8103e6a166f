"""How many calls make a block: about 4 ms, and at least 200 times what reading the clock costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

BLOCK_SECONDS = 0.004
TIMER_FACTOR = 200
GROWTH = 16
LOOKS = 3
MAX_CALLS = 1_000_000


@dataclass(frozen=True)
class BlockCalibration:
    """The calls of a block, and the (calls, seconds) that led there."""

    calls: int
    steps: tuple[tuple[int, float], ...]


def calibrate(
    time_calls: Callable[[int], float], timer_seconds: float, block_seconds: float = BLOCK_SECONDS
) -> BlockCalibration:
    """Grow a block until it is half as long as wanted, and scale from there; at least one call.

    A block that seems long enough is timed again, and the fastest of a few counts. Otherwise one
    interruption would make all later blocks too short.
    """
    wanted = max(block_seconds, TIMER_FACTOR * timer_seconds)
    steps: list[tuple[int, float]] = []
    calls = 1
    while True:
        seconds = math.inf
        for _ in range(LOOKS):
            # A time below the cost of the clock means nothing. And `_scaled` divides by it, so it
            # must not be 0.
            found = max(time_calls(calls), timer_seconds, 1e-9)
            steps.append((calls, found))
            seconds = min(seconds, found)
            # Too short already: more looks can only make the minimum smaller.
            if seconds < wanted / 2:
                break
        if seconds >= wanted / 2 or calls >= MAX_CALLS:
            return BlockCalibration(_scaled(calls, seconds, wanted), tuple(steps))
        # A very short block says little about the time of a call, so it grows in limited steps.
        calls = min(_scaled(calls, seconds, wanted), calls * GROWTH, MAX_CALLS)


def _scaled(calls: int, seconds: float, wanted: float) -> int:
    return min(MAX_CALLS, max(1, math.ceil(calls * wanted / seconds)))

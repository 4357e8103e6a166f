"""Checks that a call computes its answer: not remembered, and not left to the reading of it.

A backend that remembers answers by their inputs must still compute those of new inputs. So calls on
new indices are timed beside calls on the indices of the call before, in random order. The same
number of indices is written before each call, so the two kinds differ in nothing else. A
permutation test tells them apart, whatever the noise is. docs/timing.md has the rate of false
alarms.
"""

from __future__ import annotations

import math
import random
from statistics import median

from embcheck.conformance.timing.clock.arms import Arm
from embcheck.conformance.timing.statistics.ranks import chance_of_order
from embcheck.conformance.timing.workloads.traces import Inputs
from embcheck.conformance.timing.workloads.traffic import LINE_BYTES

LOOKS, CALLS = 3, 3
"""A look times CALLS calls of each kind. A backend is suspect if in each of LOOKS looks the fastest
call on new indices is slower than the fastest of the others by more than the margin."""
READINGS = 32
SERIES = 2
CHANCE = 1.6e-4
"""The p-value that is evidence, in each series. With two ways to renew the indices, the rate of
false alarms is at most 1 in 1500 for one worker, and 1 in two millions for two workers."""
LEAST_SECONDS = 1e-6
FEW, LINE_SECONDS = 32, 1e-7
"""With fewer indices than FEW, a new index may name a row that no cache holds. To fetch one of its
cache lines from memory takes LINE_SECONDS at most."""
MARGINS = {False: 0.5, True: 2.0}
"""Shares of a call's time, by whether all indices change places or two. If all do, an honest call
may take longer too, because the processor has learned the earlier order."""
WORK_SECONDS = 5e-4
WORK_COPIES = 4
"""The CPU time that reading an answer may take: WORK_SECONDS, half of its call, or WORK_COPIES
copies of it, whichever is longest."""


def remembers(arm: Arm, inputs: Inputs) -> str | None:
    """Say how much longer calls on new indices take; None if they do not.

    Calls without a table are not checked.
    """
    table, lookups = inputs.call(0).inputs.get("weight"), inputs.lookups
    if table is None:
        return None
    lines = math.ceil(table[:1].nbytes / LINE_BYTES) if lookups < FEW else 0
    for whole, share in MARGINS.items():
        said = _renewed(arm, share, LEAST_SECONDS + lines * LINE_SECONDS, whole=whole)
        if said is not None:
            return said
    return None


def _renewed(arm: Arm, share: float, least: float, *, whole: bool) -> str | None:
    margin = math.inf
    for _ in range(LOOKS):
        new, known = _times(arm, CALLS, whole=whole)
        # The fastest call of all looks sets the margin, since a disturbed one would widen it.
        margin = min(margin, least + share * min(known))
        # This clears nearly all backends with a few calls. The long series is for suspects only.
        if min(new) <= min(known) + margin:
            return None
    for _ in range(SERIES):
        new, known = _times(arm, READINGS, whole=whole)
        # With the margin subtracted, the test shows whether calls on new indices exceed it.
        if chance_of_order([seconds - margin for seconds in new], known) <= CHANCE:
            return (
                f"a call takes {median(new) * 1e6:.1f} us where "
                f"{'all indices have' if whole else 'two indices have'} changed places, "
                f"{median(known) * 1e6:.1f} us where they are those of the call before"
            )
    return None


def _times(arm: Arm, count: int, *, whole: bool) -> tuple[list[float], list[float]]:
    draw = random.SystemRandom()
    order = [True, False] * count
    draw.shuffle(order)
    return arm.fresh_calls(0, order, whole=whole, seed=draw.getrandbits(63))


def left_to_the_reading(arm: Arm) -> str | None:
    """Say how much CPU time the reading of an answer takes, if it is too much; else None.

    The minimum of some readings counts: noise makes none of them shorter.
    """
    found = arm.reading_work(0)
    least = min(found["read_cpu_seconds"])
    call, copy = (max(found[name]) for name in ("call_seconds", "copy_cpu_seconds"))
    if least <= max(WORK_SECONDS, call / 2, WORK_COPIES * copy):
        return None
    return (
        f"the work is left to the reading of the answer: reading takes {least * 1e3:.2f} ms of CPU "
        f"time, a call {call * 1e3:.2f} ms, and a copy {copy * 1e3:.2f} ms"
    )

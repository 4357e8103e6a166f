"""Whether each call computes its answer, or remembers it, or leaves the work to the reading.

What a backend remembers by its inputs, it has to compute where these are new. So calls on indices
that were never there before are timed beside calls on those of the call before, in random order.
The same number of indices is written before each, so the two differ in nothing else, and a
permutation test tells them apart whatever the noise is. docs/timing.md has the rate of false
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
"""A backend is suspect if in each look the fastest call on new indices is slower than the others'
fastest, of so many calls of each kind."""
READINGS = 32
SERIES = 2
CHANCE = 1.6e-4
"""Of each series: the rate of false alarms is at most 1 in 1500 for one worker with two ways to
renew the indices, and 1 in two millions for two workers."""
LEAST_SECONDS = 1e-6
FEW, LINE_SECONDS = 32, 1e-7
"""With fewer indices, a new one is a row that may lie in memory; a cache line comes from there in
100 ns at most."""
MARGINS = {False: 0.5, True: 2.0}
"""Of a call's time, by whether all indices change places or two. If all do, a call may take longer
where the processor has learned the order of the others by heart."""
WORK_SECONDS = 5e-4
WORK_COPIES = 4
"""What reading an answer may take of the processor: this, half of its call, or so many copies."""


def remembers(arm: Arm, inputs: Inputs) -> str | None:
    """Say how much longer calls take on indices that are new; None if they do not.

    Calls without a table are not looked at.
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
        # The fastest call of all looks sets the margin; a disturbed one would widen it.
        margin = min(margin, least + share * min(known))
        # This clears nearly all backends with a few calls. The long series is for suspects only.
        if min(new) <= min(known) + margin:
            return None
    for _ in range(SERIES):
        new, known = _times(arm, READINGS, whole=whole)
        # Less the margin, the test is about what calls on new indices take beyond it.
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
    """Say how much work it is to read an answer, if it is more than the call and copies of it.

    The least of some readings counts: noise makes none of them shorter.
    """
    found = arm.reading_work(0)
    least = min(found["read_cpu_seconds"])
    call, copy = (max(found[name]) for name in ("call_seconds", "copy_cpu_seconds"))
    if least <= max(WORK_SECONDS, call / 2, WORK_COPIES * copy):
        return None
    return (
        f"the work is left to the reading of the answer: it takes {least * 1e3:.2f} ms of the "
        f"processor, a call {call * 1e3:.2f} ms, and a copy {copy * 1e3:.2f} ms"
    )

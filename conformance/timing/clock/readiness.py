"""The check that an answer exists when its call returns; it counts only what noise cannot cause.

Noise does not change the bytes of an answer, nor make it depend on an index that was changed after
the call. But noise does change how long an answer takes to read. So two kinds of readings, which
differ only in the answer that is read, are taken in random order. A permutation test compares them;
its p-value holds whatever the noise is. docs/timing.md has the rate of false alarms.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import median

from embcheck.conformance.execution.protocol.messages import WhichAnswer
from embcheck.conformance.timing.clock.arms import Arm
from embcheck.conformance.timing.statistics.ranks import chance_of_order

CHANGED_CALLS = 2
"""Of 5 calls. On a busy machine some answers may be complete before their first bytes are read."""
LATE_SECONDS = 1e-4
LATE_SHARE = 0.5
"""Of a call's time; an answer that is later than this and LATE_SECONDS would distort a timing."""
READINGS = 32
"""Of each answer; a quarter of them may be disturbed, or complete at once by chance."""
SERIES = 3
CHANCE = 1.6e-4
"""The p-value that is evidence, in each of two comparisons in each series. So the rate of false
alarms is at most 1 in 1000 for one worker, and 1 in a million for two."""
SHORTEST_WAIT = 1e-3


def unready(arm: Arm, shows_a_late_change: Callable[[], bool]) -> str | None:
    """Return evidence that a call returns before its answer exists, or None.

    On a device other than the CPU, times are not evidence: the first reading includes a copy that
    libraries keep, and a second call queues behind the others.
    """
    changed, calls = arm.look_at_bytes(0)
    if changed >= CHANGED_CALLS:
        return f"{_EARLY}: its bytes changed afterwards, in {changed} of {calls} calls"
    if shows_a_late_change():
        return f"{_EARLY}: it follows an index that was changed afterwards"
    return _reads_late(arm) if arm.client.info.device == "cpu" else None


_EARLY = "the call returned before its answer existed"


def _reads_late(arm: Arm) -> str | None:
    """Say how much later than its call an answer can be read; None if at once."""
    calls, readings = arm.read_at_once(0)
    margin = max(LATE_SECONDS, LATE_SHARE * min(calls))
    # Most cells end here, after five readings. The long series are for suspects only.
    if median(readings) <= margin:
        return None
    # Twice as long as an answer took, so that the controls' answers are complete.
    wait = max(SHORTEST_WAIT, 2 * median(readings))
    shown = (_series(arm, margin, wait) for _ in range(SERIES))
    return next(filter(None, shown), None)


def _series(arm: Arm, margin: float, wait: float) -> str | None:
    """Compare, in random order, readings of an answer just returned with readings of others."""
    order = [*WhichAnswer] * READINGS
    # The p-value holds only because the order is random: a disturbance hits both kinds alike.
    random.SystemRandom().shuffle(order)
    seconds: dict[WhichAnswer, list[float]] = {answer: [] for answer in WhichAnswer}
    for answer in order:
        seconds[answer].append(arm.read(0, answer, wait))
    fresh = seconds[WhichAnswer.FRESH]
    late = [each - margin for each in fresh]
    for control, what in _CONTROLS.items():
        chance = chance_of_order(late, seconds[control])
        if chance <= CHANCE:
            more = (median(fresh) - median(seconds[control])) * 1e3
            by_chance = f"by chance once in 1e{math.floor(-math.log10(chance))} tries"
            return f"{what.format(more)} ({READINGS} readings of each, {by_chance})"
    return None


# The order matters. An answer that is later than one that had time to complete was returned early.
# An answer that is only later than one that was read before is computed when it is first read.
_CONTROLS = {
    WhichAnswer.SETTLED: "the call returned {:.2f} ms before its answer existed",
    WhichAnswer.READ: "the answer is computed, {:.2f} ms long, only when it is first read",
}

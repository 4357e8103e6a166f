"""Does a call return before its answer exists? Only what noise cannot show counts.

Noise changes no bytes of an answer, and shows no index in it that was changed later. What reading
an answer takes, it does change. So that is compared between readings whose order is drawn by lot,
and whose only difference is which answer is read: the probability of an order by chance is counted,
and holds for whatever else goes on. How often timings accuse wrongly is in docs/timing.md.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import median

from embcheck.conformance.execution.messages import WhichAnswer
from embcheck.conformance.timing.clock.arms import Arm
from embcheck.conformance.timing.statistics.ranks import chance_of_order

CHANGED_CALLS = 2
"""Of 5: on a busy machine an answer may be there before its first bytes are read."""
LATE_SECONDS = 1e-4
LATE_SHARE = 0.5
"""Of a call: what comes later than that, and than LATE_SECONDS, would spoil a timing."""
READINGS = 32
"""Of each answer. A quarter of them may be disturbed, or be there at once by luck."""
SERIES = 3
CHANCE = 1.6e-4
"""Of each of two comparisons in each series: by chance a worker is accused once in 1000 suspicions
at most, and two of them once in a million."""
SHORTEST_WAIT = 1e-3


def unready(arm: Arm, shows_a_late_change: Callable[[], bool]) -> str | None:
    """Say what shows that a held call returns before its answer exists; None if nothing does.

    On another device than the CPU the first reading also pays for a copy that libraries remember,
    and the second call that the others wait behind; nothing is told from times there.
    """
    changed, calls = arm.look_at_bytes(0)
    if changed >= CHANGED_CALLS:
        return f"{_EARLY}: its bytes changed afterwards, in {changed} of {calls} calls"
    if shows_a_late_change():
        return f"{_EARLY}: it follows an index that was changed afterwards"
    return _reads_late(arm) if arm.client.info.device == "cpu" else None


_EARLY = "the call returned before its answer existed"


def _reads_late(arm: Arm) -> str | None:
    """Say how much later than its call an answer can be read; None if it is there at once."""
    calls, readings = arm.read_at_once(0)
    margin = max(LATE_SECONDS, LATE_SHARE * min(calls))
    if median(readings) <= margin:
        return None
    wait = max(SHORTEST_WAIT, 2 * median(readings))
    shown = (_series(arm, margin, wait) for _ in range(SERIES))
    return next(filter(None, shown), None)


def _series(arm: Arm, margin: float, wait: float) -> str | None:
    """Compare readings, in an order that is drawn by lot, of an answer just returned and others."""
    order = [*WhichAnswer] * READINGS
    random.SystemRandom().shuffle(order)
    seconds: dict[WhichAnswer, list[float]] = {answer: [] for answer in WhichAnswer}
    for answer in order:
        seconds[answer].append(arm.read(0, answer, wait))
    fresh = seconds[WhichAnswer.FRESH]
    for control, what in _CONTROLS.items():
        late = [each - margin for each in fresh]
        chance = chance_of_order(late, seconds[control])
        if chance <= CHANCE:
            more = (median(fresh) - median(seconds[control])) * 1e3
            by_chance = f"by chance once in 1e{math.floor(-math.log10(chance))} tries"
            return f"{what.format(more)} ({READINGS} readings of each, {by_chance})"
    return None


_CONTROLS = {
    WhichAnswer.SETTLED: "the call returned {:.2f} ms before its answer existed",
    WhichAnswer.READ: "the answer is computed, {:.2f} ms long, only when it is first read",
}

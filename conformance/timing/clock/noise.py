"""What disturbed the rounds of a generation, according to the operating system and the sentinel.

Only other processes count as a disturbance. The threads of one library preempt each other all the
time, so only arms with one thread report context switches.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from statistics import fmean, median

from embcheck.conformance.timing.clock.schedule import Round

STEAL, PRESSURE, SWITCHES, FOREIGN = "steal", "pressure", "switches", "foreign"
MAX_STEAL = 0.01
MAX_PRESSURE = 0.20
"""High, because threads of one worker wait for each other if there are more of them than cores."""
MAX_SWITCHES = 1.0
"""Involuntary context switches a block."""
MAX_FOREIGN = 0.10
FOREIGN_SECONDS = 0.5
TICK_SECONDS = 0.01
"""The kernel counts CPU time in hundredths of a second, too coarse for one round."""
MAX_DRIFT = 0.10


def flag_rounds(rounds: Sequence[Round], single: Collection[str]) -> list[list[str]]:
    """Name what disturbed each round; `single` are the keys of arms with one thread.

    `steal`: other virtual machines took over 1 % of all cores' time. `pressure`: some process
    waited for a core during over 20 % of the time. `switches`: arms with one thread had more than
    one involuntary context switch a block. `foreign`: other processes used over 10 % of all cores,
    measured over consecutive rounds that last half a second together.
    """
    names: list[list[str]] = []
    for round_ in rounds:
        pushed = [block.switches for key in single for block in round_.blocks.get(key, ())]
        found = {
            STEAL: round_.noise.get("steal", 0.0) > MAX_STEAL,
            PRESSURE: round_.noise.get("pressure", 0.0) > MAX_PRESSURE,
            SWITCHES: bool(pushed) and fmean(pushed) > MAX_SWITCHES,
        }
        names.append([name for name, is_so in found.items() if is_so])
    for stretch in _stretches(rounds):
        if _is_shared(rounds[stretch]):
            for flags in names[stretch]:
                flags.append(FOREIGN)
    return names


def drifts(sentinel_logs: Sequence[float]) -> list[bool]:
    """Say for each round whether the sentinel's time is off its median by more than MAX_DRIFT."""
    if not sentinel_logs:
        return []
    middle = median(sentinel_logs)
    return [abs(value - middle) > math.log1p(MAX_DRIFT) for value in sentinel_logs]


def _stretches(rounds: Sequence[Round]) -> Iterator[slice]:
    """Split rounds into stretches that are long enough; a remainder joins the last one."""
    wall = [round_.noise.get("wall_seconds", 0.0) for round_ in rounds]
    begin = 0
    for end in range(1, len(rounds) + 1):
        if end == len(rounds):
            yield slice(begin, end)
        # Cut only where the rest is long enough for a stretch of its own.
        elif min(sum(wall[begin:end]), sum(wall[end:])) >= FOREIGN_SECONDS:
            yield slice(begin, end)
            begin = end


def _is_shared(rounds: Sequence[Round]) -> bool:
    noises = [round_.noise for round_ in rounds]
    if not all("busy_seconds" in noise for noise in noises):
        return False
    blocks = chain.from_iterable(pair for round_ in rounds for pair in round_.blocks.values())
    ours = sum(b.cpu_seconds + b.idle_cpu_seconds + b.untimed_cpu_seconds for b in blocks)
    ours += sum(noise["harness_seconds"] for noise in noises)
    # Each of the two readings of the kernel's counter may be off by a tick.
    foreign = sum(noise["busy_seconds"] for noise in noises) - ours - 2 * TICK_SECONDS
    return bool(foreign > MAX_FOREIGN * sum(n["cores"] * n["wall_seconds"] for n in noises))

"""Checks of a worker's clocks from outside, by the harness's own clock and the kernel's counts.

A worker times its blocks itself, since a pipe is too slow for that. But code that runs in a worker
may change its clocks, so each of its readings must fit between two of the harness's. Both read the
machine's clock (CLOCK_MONOTONIC on Linux), and a process reads the same CPU time of itself as
others do. So an honest reading always fits, however busy the machine is.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

PROC = Path("/proc")
ROUNDING = 1e-6
"""Seconds. Readings are exact to the nanosecond, but floats round them."""
ALLOWED_SECONDS = 1e-3
ALLOWED_SHARE = 0.05
"""Of a block. A request may take this, and ALLOWED_SECONDS, longer than its block."""
ALLOWED_OVERHEAD = 2.0
"""Times the overhead of a trusted worker's requests; counts where it exceeds ALLOWED_SECONDS."""
ALLOWED_HELP_SECONDS = 0.012
HELP_FACTOR = 20
"""ALLOWED_HELP_SECONDS is the time to wake helper threads before a block, and to let them rest
after it; see held.py. The worker waits for them only while they work a tenth of the time or more.
So no more is allowed than HELP_FACTOR times their CPU time.
"""
LONG_SECONDS, LONG_FACTOR = 0.02, 5
"""The seconds of a longer block, and the most calls in it, as a multiple of the usual number."""
REPEATS, FEWEST = 12, 4
"""The most blocks to try again with, and the fewest that can clear a worker."""
CLOCKS = ("begun", "ended", "cpu_begun", "cpu_ended")
DIFFERENCES = ("idle_cpu_seconds", "background_seconds", "untimed_cpu_seconds")
"""Differences of two clocks that are read one after the other: they may be a little below 0."""
IDLE_SECONDS = 1e-4
"""CPU seconds that a worker may take after its reply has been read, until it waits again."""


@dataclass(frozen=True)
class Moment:
    """The harness's clock, and the CPU seconds of a worker and of the processes that are its own.

    `kin` has the CPU seconds of those processes by id, `first` those of the worker's first thread.
    `waited` is how long the first threads of the worker and of the harness were ready to run and
    waited for a core. None stands for what the kernel does not tell.
    """

    wall: float
    cpu: float | None
    kin: Mapping[int, float]
    first: float | None = None
    waited: float | None = None


@dataclass(frozen=True)
class Seen:
    """A block as the worker reports it, and its request as the harness saw it; all in seconds.

    `seconds` is the worker's figure. `duration` and `waited` are those of the request. `help` is
    the CPU time of the worker's threads other than its first.
    """

    calls: int
    seconds: float
    duration: float
    waited: float | None
    help: float | None = 0.0

    @property
    def per_call(self) -> float:
        """Seconds of one call, as the worker reports them."""
        return self.seconds / self.calls

    @property
    def overhead(self) -> float | None:
        """Seconds of the request that were not in the block, nor spent waiting for a core."""
        return None if self.waited is None else self.duration - self.seconds - self.waited

    def is_accounted_for(self, usual: float) -> bool:
        """Whether the request took little longer than the block that it was for.

        `usual` is the overhead of a trusted worker in seconds. Where the kernel does not tell how
        long a request waited, the answer is yes.
        """
        if self.overhead is None:
            return True
        allowed = max(ALLOWED_SECONDS, ALLOWED_OVERHEAD * usual) + ALLOWED_SHARE * self.seconds
        with_help = ALLOWED_HELP_SECONDS + self.per_call
        allowed += with_help if self.help is None else min(with_help, HELP_FACTOR * self.help)
        return self.overhead <= allowed


def usual_overhead(trusted: Iterable[Seen]) -> float:
    """Return the median overhead of a trusted worker's requests, in seconds; 0 if not known."""
    known = [overhead for block in trusted if (overhead := block.overhead) is not None]
    return max(0.0, median(known)) if known else 0.0


def look(pid: int | None, kin: Iterable[int] = ()) -> Moment:
    """Read the harness's clock and the CPU seconds of a worker and of its kin."""
    if pid is None:
        return Moment(time.perf_counter(), None, {})
    # Processes that have ended have no clock any more.
    found = {other: seconds for other in kin if (seconds := cpu_seconds(other)) is not None}
    told, own = _scheduled(str(pid)), _scheduled("self")
    waited = told[1] + own[1] if told and own else None
    first = told[0] if told else None
    return Moment(time.perf_counter(), cpu_seconds(pid), found, first, waited)


def between(before: Moment, after: Moment, calls: int, seconds: float) -> Seen:
    """Return what was seen of a block between two moments."""
    waited = _difference(before.waited, after.waited)
    cpu, first = _difference(before.cpu, after.cpu), _difference(before.first, after.first)
    help_ = None if cpu is None or first is None else max(0.0, cpu - first)
    return Seen(calls, seconds, after.wall - before.wall, waited, help_)


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU seconds of all threads that a process has or had; None if not told.

    Linux keeps a CPU clock for each process; the clock's id is derived from the process's
    (clock_getcpuclockid(3)). `/proc/PID/stat` has the same in hundredths of a second only.
    """
    if sys.platform != "linux":
        return None
    try:
        # The kernel's MAKE_PROCESS_CPUCLOCK, whose 2 stands for the scheduler's clock.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def _scheduled(process: str) -> tuple[float, float] | None:
    """Return the seconds that a first thread ran, and waited for a core (sched-stats.rst)."""
    try:
        file = os.open(f"{PROC}/{process}/schedstat", os.O_RDONLY)  # Five times a Path's speed.
    except OSError:
        return None
    try:
        ran, waited, _ = os.read(file, 100).split()
    except (OSError, ValueError):
        return None
    finally:
        os.close(file)
    return int(ran) / 1e9, int(waited) / 1e9


def kin_of(pid: int | None) -> tuple[int, ...]:
    """Find the processes that a worker has started, even those that have left its session.

    Their environment has the worker's TMPDIR, which no other worker has. Process ids grow, so only
    those above the worker's are looked at.
    """
    marker = None if pid is None else _temporary_folder(PROC / str(pid))
    if pid is None or marker is None:
        return ()
    return tuple(
        int(name)
        for name in os.listdir(PROC)  # noqa: PTH208  (paths are slower)
        if name.isdecimal() and int(name) > pid and _temporary_folder(PROC / name) == marker
    )


def _temporary_folder(process: Path) -> bytes | None:
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return None  # It has ended, or is another user's.
    return next((one for one in variables if one.startswith(b"TMPDIR=")), None)


def number(told: Mapping[str, Any], name: str, most: float = math.inf) -> float:
    """Return a number that a worker reported; raises ValueError if it is not from 0 to `most`.

    Code that runs in the worker may have changed its program.
    """
    (value,) = finite([told.get(name)], name)
    if not -ROUNDING <= value <= most + ROUNDING:
        raise ValueError(f"{name} is {value:.6g}, which cannot be")
    return value


def finite(values: Iterable[Any], name: str = "a reading", *, least: int = 0) -> list[float]:
    """Return a worker's values as floats.

    Raises ValueError if one is not a finite number, or if there are fewer than `least`.
    """
    found = []
    for value in values:
        # Python takes True for a 1, but no clock gives it.
        if isinstance(value, bool) or not isinstance(value, int | float):
            said = f"{name} is no number: {str(value)[:40]!r}"
            raise ValueError(said)  # noqa: TRY004  (who calls it asks for values, not types)
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
        found.append(float(value))
    if len(found) < least:
        raise ValueError(f"{name} has {len(found)} numbers, not {least} or more")
    return found


def disbelieve(before: Moment, after: Moment, told: Mapping[str, Any], calls: int) -> str | None:
    """Return evidence that a worker's clocks are not the machine's, or None."""
    try:
        begun, ended, cpu_begun, cpu_ended = (number(told, name) for name in CLOCKS)
        seconds = number(told, "seconds", max(0.0, ended - begun))
        number(told, "cpu_seconds", max(0.0, cpu_ended - cpu_begun))
        number(told, "idle_seconds")
        number(told, "switches")
        finite([told.get(name) for name in DIFFERENCES], "a difference of CPU times")
    except (ValueError, OverflowError) as reason:
        return f"the clock in its worker cannot be believed: {reason}"
    if seconds == 0 and calls > 1:
        return f"the clock in its worker cannot be believed: {calls} calls took no time"
    if not _fits(before.wall, begun, ended, after.wall):
        theirs, ours = _span(begun, ended), _span(before.wall, after.wall)
        what = "the clock in its worker is not the machine's"
        return f"{what}: it went {theirs}, the machine's {ours}"
    # Elsewhere than on Linux only the time can be checked.
    if before.cpu is None or after.cpu is None:
        return None
    if not _fits(before.cpu, cpu_begun, cpu_ended, after.cpu):
        theirs, ours = _span(cpu_begun, cpu_ended), _span(before.cpu, after.cpu)
        what = "the CPU clock in its worker is not the kernel's"
        return f"{what}: it went {theirs}, the kernel's {ours}"
    return None


def _span(begun: float, ended: float) -> str:
    return f"from {begun:.6f} to {ended:.6f} s"


def _fits(*readings: float) -> bool:
    """Whether readings are in order."""
    return all(later - earlier >= -ROUNDING for earlier, later in pairwise(readings))


def idle_cpu_seconds(rested: Moment | None, asked: Moment) -> float:
    """Return the CPU seconds of a worker and its kin between requests, less IDLE_SECONDS."""
    if rested is None or rested.cpu is None or asked.cpu is None:
        return 0.0
    # Processes that began or ended meanwhile have one reading only, and so no difference.
    kin = sum(asked.kin[pid] - rested.kin[pid] for pid in asked.kin.keys() & rested.kin.keys())
    return max(0.0, asked.cpu - rested.cpu + kin - IDLE_SECONDS)


def hides_time(
    blocks: Sequence[Seen], repeat: Callable[[int], Seen], *, usual: float, thorough: bool
) -> str | None:
    """Say how much time is missing from a worker's reports; None if none is.

    A busy machine delays some requests, so it is enough if half of the `blocks` of the rounds are
    accounted for. If they are not, or the check is `thorough`, more blocks are timed. Then half of
    the old or of the new blocks must be accounted for, and one longer block, in which less can be
    hidden. `repeat` times one more block of some calls; `usual` is the overhead of a trusted
    worker in seconds.
    """

    def is_whole(block: Seen) -> bool:
        return block.is_accounted_for(usual)

    enough = 2 * sum(map(is_whole, blocks)) >= len(blocks)
    if enough and not thorough:
        return None
    fastest = max(min(block.per_call for block in blocks), 1e-9)
    calls = blocks[-1].calls
    # A worker that reports too little time would otherwise be asked for blocks of minutes.
    many = max(calls, min(math.ceil(LONG_SECONDS / fastest), LONG_FACTOR * calls))
    longer: list[Seen] = []
    again: list[Seen] = []
    for _ in range(REPEATS):
        longer.append(repeat(many))
        enough = enough or (len(again) >= FEWEST and 2 * sum(map(is_whole, again)) >= len(again))
        if enough and any(map(is_whole, longer)):
            return None
        again.append(repeat(calls))
    found = [*blocks, *longer, *again]
    # The block with the largest reported share: if even that is too small, so are all others.
    best = max(found, key=lambda block: block.seconds / block.duration)
    return (
        f"the clock in its worker cannot be believed: of a request that took "
        f"{best.duration * 1e3:.2f} ms it reports {best.seconds * 1e3:.2f} ms, "
        "and of others no larger share"
    )

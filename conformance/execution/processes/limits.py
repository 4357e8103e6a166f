"""What a worker may use: a backend that floods, swells or multiplies is ended, not waited for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024**2
GIB = 1024**3
PAGE = os.sysconf("SC_PAGE_SIZE")


class LimitBroken(Exception):
    """A worker used more than it may; the message says what, and how much."""


@dataclass(frozen=True)
class Limits:
    """The most that a worker, with all that it started, may use; None is no limit.

    `memory` is resident bytes, `output` the bytes printed since the last request, `tasks` threads
    and processes together, `files` bytes in its temporary folder, `answer` the bytes of one reply.
    `is_timed` has them looked at seldom, so that a timing is not disturbed.
    """

    memory: int | None = 4 * GIB
    output: int | None = 256 * MIB
    tasks: int | None = 4000
    files: int | None = 4 * GIB
    answer: int = 4 * GIB
    is_timed: bool = False


TIMED_SHARE = 0.8
"""The share of the machine's memory that a worker may have where tables are as large as wanted."""


def timed() -> Limits:
    """Return what a worker may use that is timed."""
    memory = int(TIMED_SHARE * psutil.virtual_memory().total)
    return Limits(memory=memory, output=4 * GIB, is_timed=True)


UNLIMITED = Limits(None, None, None, None)

MAPPINGS_SHARE = 0.75
"""The share of the memory mappings that Linux grants a process, after which it is short of them."""
ROOMY_SHARE = 0.1
"""The share of them up to which one looks seldom: a look takes a millisecond or more."""
OFTEN, SELDOM = 10, 50
"""Cases from one look to the next."""


MEMORY_SHARE = 0.5
"""The share of a worker's memory that may be left over from earlier cases. A case that needs the
other half would else be charged with what a compiler keeps: JAX had 4 GiB after 2,700 cases."""


def is_short_of_memory(pid: int, limits: Limits) -> bool:
    """Whether earlier cases have left a process more memory than the next one should find."""
    # With few system calls: after each, a thread waits for the others to let it go on.
    try:
        file = os.open(f"/proc/{pid}/statm", os.O_RDONLY)
        try:
            pages = int(os.read(file, 256).split()[1])
        finally:
            os.close(file)
    except OSError:
        return False
    return limits.memory is not None and pages * PAGE > MEMORY_SHARE * limits.memory


class MappingsLook:
    """Looks now and then whether a process is near the end of its memory mappings.

    That ends it without a word. XLA maps some for each program that it compiles and frees none: it
    has room for some 7,000.
    """

    def __init__(self) -> None:
        self._cases_left = OFTEN

    def are_short(self, pid: int) -> bool:
        """Whether a process has little room, as far as was looked; to be asked for each case."""
        self._cases_left -= 1
        if self._cases_left > 0:
            return False
        share = _share_of_mappings(pid)
        # From a tenth to three quarters takes far more cases than lie between two seldom looks.
        self._cases_left = OFTEN if share > ROOMY_SHARE else SELDOM
        return share > MAPPINGS_SHARE


def _share_of_mappings(pid: int) -> float:
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_bytes())
        return Path(f"/proc/{pid}/maps").read_bytes().count(b"\n") / most
    except OSError:
        return 0.0


WORK_SECONDS = 0.02
"""Processor time in a second, from which a process is said to work."""


def work_done(pid: int) -> float:
    """Return how much a process and its descendants have worked: processor time and data read.

    The unit is arbitrary: it grows by 1 or more in a second in which they work.
    """
    done = 0.0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return done
    for process in family:
        try:
            times = process.cpu_times()
            done += (times.user + times.system) / WORK_SECONDS
            done += process.io_counters().read_count / 10
        except (psutil.Error, AttributeError):  # It has ended; or macOS, which counts no reads.
            continue
    return done

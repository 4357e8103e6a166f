"""Limits on a worker's memory, output, threads and files; a worker that exceeds one is killed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024**2
GIB = 1024**3
PAGE = os.sysconf("SC_PAGE_SIZE")


class LimitBroken(Exception):
    """A worker exceeded a limit; the message says which, and how much it used."""


@dataclass(frozen=True)
class Limits:
    """The most that a worker and all that it started may use; None is no limit.

    `memory` is resident bytes, `output` the bytes printed since the last request, `tasks` threads
    and processes together, `files` bytes in its temporary folder, `answer` the bytes of one reply.
    With `is_timed`, they are checked less often, so that timings are not disturbed.
    """

    memory: int | None = 4 * GIB
    output: int | None = 256 * MIB
    tasks: int | None = 4000
    files: int | None = 4 * GIB
    answer: int = 4 * GIB
    is_timed: bool = False


TIMED_SHARE = 0.8
"""The share of the machine's memory that a timed worker may use, whose tables may be large."""


def timed() -> Limits:
    """Return the limits of a worker that is timed."""
    memory = int(TIMED_SHARE * psutil.virtual_memory().total)
    return Limits(memory=memory, output=4 * GIB, is_timed=True)


UNLIMITED = Limits(None, None, None, None)

MAPPINGS_SHARE = 0.75
"""A process is short of memory mappings if it uses more than this share of those that Linux
grants."""
ROOMY_SHARE = 0.1
"""Up to this share, they are counted seldom: counting takes a millisecond or more."""
OFTEN, SELDOM = 10, 50
"""The number of cases from one count to the next."""


MEMORY_SHARE = 0.5
"""A worker is replaced if earlier cases left more than this share of its memory limit in use.
Otherwise the next case would be charged with what a compiler keeps: JAX held 4 GiB after 2,700
cases."""


def is_short_of_memory(pid: int, limits: Limits) -> bool:
    """Whether earlier cases have left too much of a process's memory in use."""
    # With few system calls: after each, a thread has to wait for Python's lock (GIL) again.
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
    """A check, now and then, whether a process has nearly used up its memory mappings.

    A process that runs out of them dies without a message. XLA maps some for each program that it
    compiles and frees none: there is room for about 7,000 programs.
    """

    def __init__(self) -> None:
        self._cases_left = OFTEN

    def are_short(self, pid: int) -> bool:
        """Whether a process is short of mappings; call it once a case. False between two counts."""
        self._cases_left -= 1
        if self._cases_left > 0:
            return False
        share = _share_of_mappings(pid)
        # Growing from a tenth to three quarters takes far more cases than SELDOM.
        self._cases_left = OFTEN if share > ROOMY_SHARE else SELDOM
        return share > MAPPINGS_SHARE


def _share_of_mappings(pid: int) -> float:
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_bytes())
        return Path(f"/proc/{pid}/maps").read_bytes().count(b"\n") / most
    except OSError:
        return 0.0


WORK_SECONDS = 0.02
"""A process is said to work if it uses this much CPU time in a second."""


def work_done(pid: int) -> float:
    """Return how much a process and its descendants have worked: CPU time and read operations.

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

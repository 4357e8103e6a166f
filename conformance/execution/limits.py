"""What a worker may use: a backend that floods, swells or multiplies is ended, not waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024**2
GIB = 1024**3


class LimitBroken(Exception):
    """A worker used more than it may; the message says what, and how much."""


@dataclass(frozen=True)
class Limits:
    """The most that a worker, with all that it started, may use; None is no limit.

    `memory` is resident bytes, `output` the bytes printed since the last request, `tasks` threads
    and processes together.
    """

    memory: int | None = 8 * GIB
    output: int | None = 256 * MIB
    tasks: int | None = 4000


UNLIMITED = Limits(None, None, None)

MAPPINGS_SHARE = 0.75
"""The share of the memory mappings that Linux grants a process, after which it is short of them."""


def is_short_of_mappings(pid: int) -> bool:
    """Whether a process is near the end of its memory mappings, which ends it without a word.

    XLA maps some for each program that it compiles and frees none: it has room for some 7,000.
    """
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_bytes())
        return Path(f"/proc/{pid}/maps").read_bytes().count(b"\n") > MAPPINGS_SHARE * most
    except OSError:
        return False


def watch(pid: int, output: int, limits: Limits) -> Callable[[], None]:
    """Return what raises LimitBroken once a process or its output file is beyond its limits."""

    def check() -> None:
        printed = os.fstat(output).st_size
        if limits.output is not None and printed > limits.output:
            raise LimitBroken(f"it printed {printed // MIB:,} MiB in one call")
        memory, tasks = _usage(pid)
        if limits.memory is not None and memory > limits.memory:
            raise LimitBroken(
                f"it used {memory / GIB:.1f} GiB of memory, the limit is "
                f"{limits.memory / GIB:.1f} GiB"
            )
        if limits.tasks is not None and tasks > limits.tasks:
            raise LimitBroken(f"it started {tasks:,} threads, the limit is {limits.tasks:,}")

    return check


def _usage(pid: int) -> tuple[int, int]:
    """Return the resident bytes and the threads of a process and its descendants."""
    memory = tasks = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0, 0
    for process in family:
        try:
            memory += process.memory_info().rss
            tasks += process.num_threads()
        except psutil.NoSuchProcess:
            continue
    return memory, tasks

"""The machine during timing: caches, cores, CPU time of other processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
STAT = Path("/proc/stat")
PRESSURE = Path("/proc/pressure/cpu")


@dataclass(frozen=True)
class CpuTimes:
    """Seconds since boot, over all cores: in use, idle, and taken by other virtual machines."""

    busy: float
    idle: float
    steal: float


def cores() -> int:
    """Count the cores that this process may use."""
    # `cpu_count` would include cores that a container or `taskset` keeps from this process.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def last_level_cache_bytes(folder: Path = CACHES) -> int | None:
    """Return the size of the last-level cache as the kernel tells it; None if it does not."""
    found: dict[int, int] = {}
    for index in folder.glob("index*"):
        try:
            level = int((index / "level").read_text("utf-8"))
            size = (index / "size").read_text("utf-8").strip()
        except (OSError, ValueError):
            continue
        if size.endswith("K") and size[:-1].isdecimal():
            found[level] = max(found.get(level, 0), int(size[:-1]) * 1024)
    return found[max(found)] if found else None


def parse_cpu_times(stat: str, ticks_per_second: int) -> CpuTimes:
    """Read the `cpu` line of /proc/stat (proc_stat(5)): user nice system idle iowait irq ..."""
    # The guests' times, which come after these eight, are included in `user` and `nice`.
    fields = [int(field) / ticks_per_second for field in stat.splitlines()[0].split()[1:9]]
    user, nice, system, idle, iowait, irq, softirq, steal = fields
    return CpuTimes(user + nice + system + irq + softirq, idle + iowait, steal)


def cpu_times() -> CpuTimes | None:
    """Read the machine's CPU times; None where there is no /proc/stat."""
    try:
        return parse_cpu_times(STAT.read_text("utf-8"), os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError):
        return None


def parse_pressure(text: str) -> float:
    """Read the seconds in which some process waited for a core, since boot (kernel: psi.rst)."""
    some = next(line for line in text.splitlines() if line.startswith("some"))
    return int(some.rsplit("total=", 1)[1]) / 1e6


def pressure_seconds() -> float | None:
    """Read the machine's pressure on its cores; None where the kernel keeps no record of it."""
    try:
        return parse_pressure(PRESSURE.read_text("utf-8"))
    except (OSError, ValueError, StopIteration, IndexError):
        return None


def watch() -> Callable[[], dict[str, Any]]:
    """Start to observe the machine; return a function that says what happened since.

    `steal` is the share of all cores' time that other virtual machines took, `pressure` the share
    of the time in which some process waited for a core; `busy_seconds` is the CPU time of all
    processes and `harness_seconds` this one's, from which `noise.flag_rounds` finds the rest.
    """
    before, own, started = cpu_times(), time.process_time(), time.perf_counter()
    waited = pressure_seconds()

    def seen() -> dict[str, Any]:
        after = cpu_times()
        wall = time.perf_counter() - started
        noise = {"wall_seconds": wall, "harness_seconds": time.process_time() - own}
        noise["cores"] = cores()
        waits = pressure_seconds()
        if waited is not None and waits is not None:
            noise["pressure"] = (waits - waited) / wall
        if before is not None and after is not None:
            busy, steal = after.busy - before.busy, after.steal - before.steal
            total = busy + steal + after.idle - before.idle
            noise |= {"busy_seconds": busy, "steal": steal / total if total else 0.0}
        return noise

    return seen

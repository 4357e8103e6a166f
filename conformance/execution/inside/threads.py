"""The threads of a worker: how large its pools are, which threads work, and which idle."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

TASKS = Path("/proc/self/task")
WORKING_SHARE = 0.05
"""A thread works if it has more than this share of the CPU time of all threads; others wait or do
housekeeping."""


def pool_sizes() -> dict[str, int]:
    """Return how many threads each OpenMP and BLAS library in this process says it uses.

    Keys name the interface and the file. Other thread pools of a library are not included;
    `working` counts their threads.
    """
    import threadpoolctl  # noqa: PLC0415  (only timings need it)

    return {
        f"{pool['user_api']} {Path(pool['filepath']).name}": int(pool["num_threads"])
        for pool in threadpoolctl.threadpool_info()
    }


def thread_names(tasks: Path = TASKS) -> dict[str, int]:
    """Count this process's threads by their names in the kernel."""
    return dict(Counter(_read(task / "comm") or "?" for task in _tasks(tasks)))


def thread_seconds(tasks: Path = TASKS) -> dict[str, float]:
    """Return the CPU seconds of each live thread; empty if the kernel does not tell."""
    found = {}
    for task in _tasks(tasks):
        words = _read(task / "schedstat").split()  # The first number is nanoseconds on a core.
        if words:
            found[task.name] = int(words[0]) / 1e9
    return found


def working(before: Mapping[str, float], after: Mapping[str, float]) -> int | None:
    """Count the threads with over a twentieth of the work between two readings; None if no work."""
    spent = [seconds - before.get(name, 0.0) for name, seconds in after.items()]
    total = sum(spent)
    return sum(seconds > WORKING_SHARE * total for seconds in spent) if total > 0 else None


def background_seconds() -> float:
    """Return the CPU seconds of all other threads, also of those that have ended."""
    return time.process_time() - time.thread_time()


def _tasks(tasks: Path) -> list[Path]:
    try:
        return [tasks / name for name in os.listdir(tasks)]  # noqa: PTH208  (paths are slower)
    except OSError:
        return []


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace").strip()
    except OSError:
        return ""  # The thread has ended since it was listed.

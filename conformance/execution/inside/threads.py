"""The threads of a worker: how large its pools are, which threads work, and which do at rest."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

TASKS = Path("/proc/self/task")
WORKING_SHARE = 0.05
"""Of the CPU time of all threads; one that has less waits, or keeps house."""


def pool_sizes() -> dict[str, int]:
    """Ask every OpenMP and BLAS library that this process has loaded how many threads it uses.

    What libraries say of themselves, by interface and file. A pool of a library's own is no part
    of it; `working` sees its threads.
    """
    import threadpoolctl  # noqa: PLC0415  (only timings need it)

    return {
        f"{pool['user_api']} {Path(pool['filepath']).name}": int(pool["num_threads"])
        for pool in threadpoolctl.threadpool_info()
    }


def thread_names(tasks: Path = TASKS) -> dict[str, int]:
    """Count the threads that there are, by the names that they carry in the kernel."""
    return dict(Counter(_read(task / "comm") or "?" for task in _tasks(tasks)))


def thread_seconds(tasks: Path = TASKS) -> dict[str, float]:
    """Return the CPU seconds of each thread that lives; empty where the kernel does not tell."""
    found = {}
    for task in _tasks(tasks):
        words = _read(task / "schedstat").split()  # The first number is nanoseconds on a core.
        if words:
            found[task.name] = int(words[0]) / 1e9
    return found


def working(before: Mapping[str, float], after: Mapping[str, float]) -> int | None:
    """Count the threads that did a twentieth or more of the work between two readings."""
    spent = [seconds - before.get(name, 0.0) for name, seconds in after.items()]
    total = sum(spent)
    return sum(seconds > WORKING_SHARE * total for seconds in spent) if total > 0 else None


def background_seconds() -> float:
    """Return the CPU seconds of all threads but this one, the dead ones included."""
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

"""How much processor time a smoke test may take, and what it leaves out where that is short."""

from __future__ import annotations

import contextlib
import os
import resource
import time

import psutil

CPU_SECONDS = 45.0
"""Of the harness, the workers and all that they start."""
SHARES = {
    "operations": 0.35,
    "capabilities": 0.45,
    "lifetime": 0.5,
    "compositions": 0.55,
    "options": 0.6,
    "dtypes": 0.65,
    "tables": 0.65,
    "scripts": 0.75,
    "thunk": 0.9,
    "undeclared": 0.9,
}
"""Of the whole, what may be spent when a check begins a question, in the order of the checks."""
LOOK_SECONDS = 0.3
"""Between two looks at the processes, since a look costs time itself."""


class CpuBudget:
    """Seconds of processor time, counted from when this is made."""

    def __init__(self, seconds: float = CPU_SECONDS) -> None:
        self.seconds = seconds
        self._began, self._looked = _cpu_seconds(), time.monotonic()
        self._spent = 0.0

    def spent(self, *, now: bool = False) -> float:
        """Return the seconds that this process and its descendants have used since then.

        They are as of a moment ago, unless it must be `now`.
        """
        if now or time.monotonic() - self._looked > LOOK_SECONDS:
            # Never less than before: the seconds of a process that dies unseen are lost.
            self._spent = max(self._spent, _cpu_seconds() - self._began)
            self._looked = time.monotonic()
        return self._spent

    def left(self, check: str) -> float:
        """Return the seconds that are left before a check may begin no other question."""
        return SHARES[check] * self.seconds - self.spent()


def _cpu_seconds() -> float:
    """Add up the seconds of this process, of the dead that it waited for, and of the living."""
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = sum(one.ru_utime + one.ru_stime for one in used)
    # The dead count once their parent has waited for them; until then, they are among the living.
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total

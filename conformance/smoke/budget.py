"""The processor time that a smoke test may take, and each check's share of it."""

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
"""By check, in order: once this share of the whole is spent, the check begins no more questions."""
LOOK_SECONDS = 0.3
"""The time between two looks at the processes, since a look costs time itself."""


class CpuBudget:
    """A budget of processor time in seconds, counted from when it is made."""

    def __init__(self, seconds: float = CPU_SECONDS) -> None:
        self.seconds = seconds
        self._began, self._looked = _cpu_seconds(), time.monotonic()
        self._spent = 0.0

    def spent(self, *, now: bool = False) -> float:
        """Return the CPU seconds of this process and its descendants since the budget was made.

        The figure may be LOOK_SECONDS old, unless it must be of `now`.
        """
        if now or time.monotonic() - self._looked > LOOK_SECONDS:
            # Never less than before: the seconds of a process that dies unseen are lost.
            self._spent = max(self._spent, _cpu_seconds() - self._began)
            self._looked = time.monotonic()
        return self._spent

    def left(self, check: str) -> float:
        """Return the seconds in which a check may still begin questions; 0 or less for none."""
        return SHARES[check] * self.seconds - self.spent()


def _cpu_seconds() -> float:
    """Add up the CPU seconds of this process, its ended children and its living descendants."""
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = sum(one.ru_utime + one.ru_stime for one in used)
    # A parent counts an ended child once it has waited for it; until then, psutil lists the child.
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total

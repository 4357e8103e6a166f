"""A worker's peak resident memory during a cell, as the kernel counted it.

Linux keeps a process's largest resident size (`VmHWM` in /proc/PID/status) and forgets it when 5 is
written to /proc/PID/clear_refs (proc_pid_clear_refs(5)). If that is not possible there is no
figure, since the peak since the process began may be that of another cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class MemoryMark:
    """A worker's resident bytes when its peak was reset."""

    pid: int
    resident: int

    def peak(self) -> int | None:
        """Return the largest resident size since; None where the process is gone."""
        return _status_bytes(self.pid, "VmHWM")


def mark(pid: int | None) -> MemoryMark | None:
    """Reset a process's peak, and mark its size then; None where the kernel cannot do that."""
    if pid is None:
        return None
    try:
        (PROC / str(pid) / "clear_refs").write_text("5", "utf-8")
    except OSError:
        return None
    resident = _status_bytes(pid, "VmRSS")
    return None if resident is None else MemoryMark(pid, resident)


def _status_bytes(pid: int, name: str) -> int | None:
    try:
        lines = (PROC / str(pid) / "status").read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None

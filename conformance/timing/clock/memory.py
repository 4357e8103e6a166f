"""The most memory that a worker held during a cell, as the kernel counted it.

Linux keeps a process's largest resident size (`VmHWM` in /proc/PID/status) and forgets it when 5 is
written to /proc/PID/clear_refs (proc_pid_clear_refs(5)). Where that cannot be done there is no
figure: the largest size since the process began would be that of some other cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Mark:
    """A worker's resident bytes at the moment from which its peak counts."""

    pid: int
    resident: int

    def peak(self) -> int | None:
        """Return the largest resident size since; None where the process is gone."""
        return _status_bytes(self.pid, "VmHWM")


def mark(pid: int | None) -> Mark | None:
    """Forget a process's earlier peak; None where the kernel does not do that."""
    if pid is None:
        return None
    try:
        (PROC / str(pid) / "clear_refs").write_text("5", "utf-8")
    except OSError:
        return None
    resident = _status_bytes(pid, "VmRSS")
    return None if resident is None else Mark(pid, resident)


def _status_bytes(pid: int, name: str) -> int | None:
    try:
        lines = (PROC / str(pid) / "status").read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None

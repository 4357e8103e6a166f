"""Pipes to a process that may hang: no read or write waits beyond a deadline."""

from __future__ import annotations

import fcntl
import os
import select
import time
from contextlib import suppress

from embcheck.conformance.execution.processes.limits import GIB, LimitBroken
from embcheck.conformance.execution.processes.process import WorkerProcess

WIDE_BYTES = 2**20
"""The widest pipe that Linux grants without privileges. A large array would fill a usual one, of 64
KiB, hundreds of times."""
JOINED_BYTES = 4096
LONGEST_WAIT = 10.0
LATE_SECONDS = 5.0
"""Data that comes up to this long after the deadline is still read: the harness may be late."""


def make_pipe() -> tuple[int, int]:
    """Make a pipe, a wide one if possible; return the ends to read from and to write to."""
    ends = os.pipe()
    with suppress(AttributeError, OSError):
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, WIDE_BYTES)
    return ends


class Pipe:
    """One end of a pipe, with the deadline for the other side.

    `deadline` is a reading of `time.monotonic`, after which waiting raises TimeoutError. The other
    side counts as ended when its process has ended, even if another process has the pipe open.
    """

    def __init__(self, descriptor: int, event: int, process: WorkerProcess) -> None:
        self.deadline = float("inf")
        self._descriptor = descriptor
        self._process = process
        # Processes that the worker started may hold its end open after its death. So its keeper
        # reports the death.
        self._poll = select.poll()
        self._poll.register(descriptor, event)
        self._poll.register(process.fileno(), select.POLLIN)

    def wait(self) -> bool:
        """Wait until the other side has read, written or closed; False if it died instead.

        Raises LimitBroken if it was killed because it exceeded a limit.
        """
        while True:
            remaining = self.deadline - time.monotonic()
            ready = self._poll.poll(1000 * min(LONGEST_WAIT, max(0.0, remaining)))
            if remaining <= (-LATE_SECONDS if ready else 0.0):
                raise TimeoutError
            if any(descriptor == self._descriptor for descriptor, _ in ready):
                return True
            if ready and self._has_died():
                # All that it wrote before it died is there by now.
                return any(descriptor == self._descriptor for descriptor, _ in self._poll.poll(0))

    def _has_died(self) -> bool:
        self._process.hear()
        if self._process.broken:
            raise LimitBroken(self._process.broken)
        return self._process.ended

    def close(self) -> None:
        """Close the descriptor, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class PipeReader(Pipe):
    """A reader of what another process writes; short reads mean that it closed its end, or died."""

    def __init__(self, descriptor: int, process: WorkerProcess) -> None:
        super().__init__(descriptor, select.POLLIN | select.POLLHUP, process)
        self._buffer = bytearray()
        self._room = self._most = float("inf")

    def allow(self, most: int) -> None:
        """Allow `most` bytes from now on; reading more raises LimitBroken."""
        self._room = self._most = most

    def _count(self, came: int) -> None:
        self._room -= came
        if self._room < 0:
            raise LimitBroken(f"it answered with more than {self._most / GIB:.1f} GiB")

    def read(self, count: int) -> bytes:
        """Return `count` bytes, or fewer at the end."""
        while len(self._buffer) < count:
            if not self.wait():
                break
            # Read ahead: a header, its arrays and the end mostly come in one read.
            chunk = os.read(self._descriptor, max(65536, count - len(self._buffer)))
            if not chunk:
                break
            self._count(len(chunk))
            self._buffer += chunk
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def has_more(self) -> bool:
        """Whether unread bytes are there already; also hears what is new of the process.

        This is mostly one system call: after each, a thread has to wait for Python's lock (GIL)
        again.
        """
        events = dict(self._poll.poll(0))
        if self._process.fileno() in events:
            self._process.hear()
        return bool(self._buffer or events.get(self._descriptor, 0) & select.POLLIN)

    def readinto(self, view: memoryview) -> int:
        """Fill a view of bytes, and return how many came before the end."""
        filled = min(len(self._buffer), len(view))
        view[:filled] = self._buffer[:filled]
        del self._buffer[:filled]
        while filled < len(view):
            if not self.wait():
                break
            count = os.readv(self._descriptor, [view[filled:]])
            if not count:
                break
            self._count(count)
            filled += count
        return filled


class PipeWriter(Pipe):
    """A writer of what another process reads; each flush writes all at once."""

    def __init__(self, descriptor: int, process: WorkerProcess) -> None:
        super().__init__(descriptor, select.POLLOUT, process)
        # Otherwise a write of more than the pipe holds would wait for a worker that hangs.
        os.set_blocking(descriptor, False)
        self._parts: list[bytes | memoryview] = []

    def write(self, data: bytes | memoryview) -> None:
        """Keep data until the next flush."""
        self._parts.append(data)

    def flush(self) -> None:
        """Write all that was kept; raises BrokenPipeError if nobody can read it any more."""
        parts, self._parts = self._parts, []
        # Small requests are joined for one system call; large arrays are not copied.
        if all(len(part) <= JOINED_BYTES for part in parts):
            parts = [b"".join(parts)]
        for part in parts:
            view = memoryview(part)
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:
                    if not self.wait():
                        raise BrokenPipeError("the process died") from None

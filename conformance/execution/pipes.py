"""The two ends of a pipe to a process that may hang: nothing waits longer than a deadline."""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress

WATCH_SECONDS = 0.1
WIDE_BYTES = 2**20
"""The most that Linux gives to anybody; of the usual 64 KiB, a large array takes hundreds."""


def make_pipe() -> tuple[int, int]:
    """Return the ends to read from and to write to; a wide pipe where the kernel grants it."""
    ends = os.pipe()
    with suppress(AttributeError, OSError):
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, WIDE_BYTES)
    return ends


class Pipe:
    """A pipe's file descriptor, and the time by which its other side must have moved.

    `deadline` is a reading of `time.monotonic`. Waiting raises TimeoutError after it, and calls
    `watch`, which may raise too, ten times a second.
    """

    def __init__(self, descriptor: int, event: int) -> None:
        self.deadline = float("inf")
        self.watch: Callable[[], None] = lambda: None
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, event)

    def wait(self) -> None:
        """Wait until the other side has read, written or closed."""
        while True:
            remaining = self.deadline - time.monotonic()
            if self._poll.poll(1000 * min(WATCH_SECONDS, max(0.0, remaining))):
                return
            if remaining <= 0:
                raise TimeoutError
            self.watch()

    def close(self) -> None:
        """Close the descriptor, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class PipeReader(Pipe):
    """Reads what another process writes; short reads mean that it closed its end."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, select.POLLIN | select.POLLHUP)
        self._buffer = bytearray()

    def read(self, count: int) -> bytes:
        """Return `count` bytes, or fewer at the end."""
        while len(self._buffer) < count:
            self.wait()
            chunk = os.read(self._descriptor, max(65536, count - len(self._buffer)))
            if not chunk:
                break
            self._buffer += chunk
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def has_more(self) -> bool:
        """Whether bytes are there already that nobody has read."""
        return bool(self._buffer) or any(event & select.POLLIN for _, event in self._poll.poll(0))

    def readinto(self, view: memoryview) -> int:
        """Fill a view of bytes, and return how many came before the end."""
        filled = min(len(self._buffer), len(view))
        view[:filled] = self._buffer[:filled]
        del self._buffer[:filled]
        while filled < len(view):
            self.wait()
            count = os.readv(self._descriptor, [view[filled:]])
            if not count:
                break
            filled += count
        return filled


class PipeWriter(Pipe):
    """Writes what another process reads, in one go at each flush."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, select.POLLOUT)
        os.set_blocking(descriptor, False)
        self._parts: list[bytes | memoryview] = []

    def write(self, data: bytes | memoryview) -> None:
        """Keep data until the next flush."""
        self._parts.append(data)

    def flush(self) -> None:
        """Write all that was kept; raises BrokenPipeError if nobody reads."""
        parts, self._parts = self._parts, []
        small = b"".join(part for part in parts if len(part) <= 4096)
        pending = [small] if all(len(part) <= 4096 for part in parts) else parts
        for part in pending:
            view = memoryview(part)
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:
                    self.wait()

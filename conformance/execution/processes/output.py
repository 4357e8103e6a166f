"""The file that keeps what a worker prints."""

from __future__ import annotations

import fcntl
import os
import tempfile

from embcheck.conformance.execution.protocol.bounded import safe

KEPT_BYTES = 64 * 1024
"""If earlier calls printed more than this, it is dropped."""
TAIL_BYTES = 2000
WORDS = 500
"""The most characters of a worker's last printed words in a message."""


class Output:
    """The file that a worker prints to.

    It is no pipe, since a pipe that is read only after the worker's death would fill up and block
    it. The file is in a folder where the worker may write, so that it can open its standard output
    by name.
    """

    def __init__(self, folder: str) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (lives like the worker)
        # Otherwise a worker would go on at its old position after the file was truncated.
        flags = fcntl.fcntl(self.fileno(), fcntl.F_GETFL)
        fcntl.fcntl(self.fileno(), fcntl.F_SETFL, flags | os.O_APPEND)
        self._dropped = 0
        self._tail = b""

    def fileno(self) -> int:
        """Return the descriptor to print to."""
        return self._file.fileno()

    @property
    def printed_bytes(self) -> int:
        """How much was printed in all."""
        return self._dropped + os.fstat(self.fileno()).st_size

    def drop_old(self) -> None:
        """Drop what was printed so far if it is much; the last words stay."""
        size = os.fstat(self.fileno()).st_size
        if size > KEPT_BYTES:
            # Kept, since a worker may die in the next call of what it has just reported.
            self._tail = self._end(size)
            self._dropped += size
            os.ftruncate(self.fileno(), 0)

    def _end(self, size: int) -> bytes:
        return os.pread(self.fileno(), TAIL_BYTES, max(0, size - TAIL_BYTES))

    def tail(self) -> str:
        """Return what was printed last, as text without control characters."""
        printed = (self._tail + self._end(os.fstat(self.fileno()).st_size))[-TAIL_BYTES:]
        return safe(printed.decode("utf-8", "replace")).strip()

    def last_words(self) -> str:
        """Return what was printed last as one line, short enough for a message; empty if none."""
        lines = [line.strip() for line in self.tail().splitlines() if line.strip()]
        return " | ".join(lines)[-WORDS:]

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

"""What a worker prints, and its last words."""

from __future__ import annotations

import fcntl
import os
import tempfile

from embcheck.conformance.execution.protocol.bounded import safe

KEPT_BYTES = 64 * 1024
"""What earlier calls printed is dropped where it is more than this."""
TAIL_BYTES = 2000
WORDS = 500
"""The most characters of the last words that stand in a message."""


class Output:
    """The file that a worker prints to.

    A pipe, which is read only after the worker's death, would fill and stop it. The file is in a
    folder where the worker may write, so that it can open its standard output by name.
    """

    def __init__(self, folder: str) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (lives like the worker)
        # Or after the file was cut, the next byte would be written where the last one stood.
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
        """Drop what was printed so far, where it is much; the last words stay."""
        size = os.fstat(self.fileno()).st_size
        if size > KEPT_BYTES:
            # Kept, for a worker may die in the next call of what it has just printed about.
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
        """Return the same in one line, short enough for a message; empty if there is nothing."""
        lines = [line.strip() for line in self.tail().splitlines() if line.strip()]
        return " | ".join(lines)[-WORDS:]

    def close(self) -> None:
        """Drop it all."""
        self._file.close()

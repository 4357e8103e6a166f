"""Standard input, output and error that may be closed, full, or read by nobody any more."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class Tolerant:
    """A text stream that never fails: it keeps the first error, and then drops all text."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, or drop it after a failure; return its length."""
        # Checked here, because the stream itself is not used any more after a failure.
        if not isinstance(text, str):
            raise TypeError(f"a text stream takes str, not {type(text).__name__}")
        if self.failure is None:
            try:
                self._stream.write(text)
            except OSError as error:
                self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._drop(error)

    def _drop(self, error: OSError) -> None:
        """Send what is still in buffers to the null device: flushing it at exit would fail."""
        self.failure = error
        with suppress(OSError, ValueError):  # A stream in memory has no descriptor.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def tolerant_streams() -> Iterator[Tolerant]:
    """Replace standard output and error by tolerant streams; yield that of standard output."""
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    out, err = (Tolerant(_readable(stream)) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def reader_is_gone(error: OSError) -> bool:
    """Whether output failed only because nobody reads on, as after `| head`."""
    return error.errno == errno.EPIPE


def _open_closed_descriptors() -> None:
    """Open 0, 1 and 2 if they are closed, or the next opened file would become one of them."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest number that is free: this one.


def _readable(stream: Any) -> Any:
    """Return a stream that takes every text; for None, one that drops it."""
    if stream is None:  # Python found its descriptor closed.
        return Path(os.devnull).open("w", encoding="utf-8")
    if hasattr(stream, "reconfigure"):
        # With the locale C, Python takes ASCII, though terminals and files take UTF-8.
        is_ascii = (stream.encoding or "").replace("-", "").lower() in ("ascii", "usascii")
        encoding = "utf-8" if is_ascii else None
        stream.reconfigure(encoding=encoding, errors="backslashreplace")
    return stream

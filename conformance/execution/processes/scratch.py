"""Temporary folders that are deleted when this process ends, even if it is killed."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

WAIT_SECONDS = 0.5


class Scratch(TemporaryDirectory[str]):
    """A temporary folder that another process, the janitor, deletes if this one cannot."""

    def __init__(self, prefix: str = "embcheck-") -> None:
        super().__init__(prefix=prefix, ignore_cleanup_errors=True)
        _janitor.tell("+", self.name)

    def empty(self) -> None:
        """Delete what is in the folder."""
        for entry in list(os.scandir(self.name)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(OSError):
                    Path(entry.path).unlink()

    def cleanup(self) -> None:
        """Delete the folder."""
        super().cleanup()
        if not os.path.lexists(self.name):  # The janitor tries to delete what is left.
            _janitor.tell("-", self.name)


class _Janitor:
    """The janitor process as seen from here; it is started when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._told: dict[str, None] = {}

    def tell(self, sign: str, path: str) -> None:
        """Tell the janitor of a folder that was made (+) or deleted (-)."""
        with self._lock:
            # After a fork, the janitor known here is the parent's, and waits only for the parent.
            if self._process is None or self._owner != os.getpid():
                self._start()
            if sign == "+":
                self._told[path] = None
            else:
                self._told.pop(path, None)
            try:
                self._write(sign, path)
            except OSError:  # The janitor was killed: start another and tell it of all folders.
                self._stop()
                self._start()
                for each in self._told:
                    self._write("+", each)

    def _write(self, sign: str, path: str) -> None:
        assert self._process is not None  # noqa: S101  (it was started)
        assert self._process.stdin is not None  # noqa: S101  (it is a pipe)
        os.write(self._process.stdin.fileno(), os.fsencode(f"{sign}{path}\0"))

    def _start(self) -> None:
        program = Path(__file__).with_name("janitor.py")
        self._owner = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603  (our own program)
            [sys.executable, "-I", "-S", str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not meant for it.
            cwd="/",  # Or it would keep the caller's folder from being unmounted.
        )
        atexit.register(self._stop)

    def _stop(self) -> None:
        """Close the janitor's input, so that it ends, and wait a moment for that."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None and self._owner == os.getpid():
            process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=WAIT_SECONDS)


_janitor = _Janitor()

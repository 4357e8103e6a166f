"""The lock that lets only one process at a time write runs to a folder.

It is a lock of the kernel (flock), which is released when the process ends for any reason.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".embcheck.lock"
"""The locked file. It holds the process id, and is removed after the run."""

# NOFOLLOW, since the file is overwritten; NONBLOCK, so that a pipe in its place does not block.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of a file system without locks. There, users must keep runs apart themselves."""

_held: dict[tuple[int, int], int] = {}
"""How often this process has claimed each folder, by the folder's device and inode."""


class InUse(Exception):
    """Another process is writing to the folder; the message says which, and what to do."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock an existing folder against runs of other processes.

    A process may claim the same folder several times. Raise InUse at once if another process has
    it, and OSError if the folder cannot be written to.
    """
    status = folder.stat()
    key = (status.st_dev, status.st_ino)
    # flock would refuse a second descriptor even in the process that holds the lock.
    lock = None if key in _held else _lock(folder / LOCK)
    _held[key] = _held.get(key, 0) + 1
    try:
        yield
    finally:
        _held[key] -= 1
        if not _held[key]:
            del _held[key]
        if lock is not None:
            _release(lock, folder / LOCK)


def _lock(path: Path) -> int:
    """Lock a file, which is created if need be, and return its descriptor."""
    while True:
        descriptor = os.open(path, _FLAGS, 0o666)
        try:
            _lock_or_refuse(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        try:
            # If not, a process that ended has just removed the file: try again with a new one.
            if _is_at(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
                return descriptor
        except BaseException:
            _release(descriptor, path)
            raise
        os.close(descriptor)


def _lock_or_refuse(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # The other process may not have written its id yet.
        told = os.pread(descriptor, 20, 0).strip()
        process = f"process {int(told)}" if told.isdigit() else "another process"
        advice = "wait for its end, or name another --out"
        raise InUse(f"{path.parent} is in use by a run of {process}: {advice}") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _release(descriptor: int, path: Path) -> None:
    """Remove the file before unlocking it, so that no other process locks a file that then goes."""
    try:
        if _is_at(descriptor, path):
            with suppress(OSError):  # A file that remains is not locked, and keeps nobody out.
                path.unlink()
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False

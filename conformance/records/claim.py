"""One run at a time in a folder: the lock of the process that writes there.

It is the kernel's (flock), and so goes with the process, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".embcheck.lock"
"""The locked file; it holds the process id, and is gone after the run."""

# No link is followed, since the file is overwritten, and a pipe in its place is not waited for.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of a file system that has no locks: runs there must be kept apart by hand."""

_held: dict[tuple[int, int], int] = {}
"""How often this process has claimed a folder, by the folder's device and inode."""


class InUse(Exception):
    """Another process writes to the folder; the message says which, and what to do."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep runs of other processes out of a folder, which must be there.

    A process may claim a folder again that it has claimed. Raises InUse at once where another
    process has it, and OSError where the folder cannot be written to.
    """
    status = folder.stat()
    key = (status.st_dev, status.st_ino)
    # By a second descriptor, flock would refuse even the process that has the lock.
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
    """Lock a file, made if it is not there; return its descriptor."""
    while True:
        descriptor = os.open(path, _FLAGS, 0o666)
        try:
            _lock_or_refuse(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        try:
            if _is_at(descriptor, path):  # Or a process that ended has just removed it.
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
    """Remove the file while it is locked, so that nobody waits for one that is gone."""
    try:
        if _is_at(descriptor, path):
            with suppress(OSError):  # One that stays behind is not locked, and keeps nobody out.
                path.unlink()
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False

"""Confine workers: Landlock lets a process, and all that it starts, write to a few folders only.

See https://docs.kernel.org/userspace-api/landlock.html. Two of its three system calls are made
here; the worker's keeper makes the third. The packages that wrap them have had no first release.
Reading and executing stay allowed, and so do the commands that drive a device.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SWITCH = "EMBCHECK_CONFINE"
"""With 0, workers are not confined: this shows whether a library fails because of confinement."""

_CREATE_RULESET, _ADD_RULE = 444, 445
_VERSION, _PATH_BENEATH = 1, 1
HOLDS_TRUNCATION, HOLDS_SIGNALS = 3, 6
"""The versions of Landlock that can forbid truncation and signals, of Linux 6.2 and 6.12."""

_WRITE, _TRUNCATE = 1 << 1, 1 << 14
_REMOVE = 1 << 4 | 1 << 5
_MAKE = 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12
"""To make folders, files, sockets, pipes and links."""
_MAKE_DEVICE = 1 << 6 | 1 << 11
_MOVE = 1 << 13
"""To rename or link from one folder to another, where the same is allowed in both."""
_IN_FILES = _WRITE | _TRUNCATE
_IN_FOLDERS = _IN_FILES | _REMOVE | _MAKE | _MOVE
_FORBIDDEN = _IN_FOLDERS | _MAKE_DEVICE
_SOCKETS_AND_SIGNALS = 1 | 2
"""To reach abstract sockets of processes that are not below the worker, or send them signals."""

SHARED = Path("/dev/shm")  # noqa: S108  (where POSIX has shared memory and semaphores)
DEVICES = (
    *("null", "zero", "full", "random", "urandom", "tty"),
    *("nvidia*", "kfd", "dri", "accel*", "vfio", "dxg"),
)
"""Devices that libraries write to: the usual ones, GPUs and other accelerators."""


@dataclass(frozen=True)
class Confinement:
    """What confinement forbids workers; `reason` says why it does not forbid everything."""

    writes: bool = False
    signals: bool = False
    reason: str = ""


def confinement() -> Confinement:
    """Return what confinement forbids workers that are started now."""
    if os.environ.get(SWITCH) == "0":
        return Confinement(reason=f"{SWITCH}=0 is set")
    if sys.platform != "linux":
        return Confinement(reason="only Linux has Landlock")
    try:
        version = _call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError as error:
        return Confinement(reason=f"there is no Landlock here: {error.strerror}")
    if version < HOLDS_TRUNCATION:
        return Confinement(reason=f"Landlock of Linux 6.2 is needed, this is version {version}")
    if version < HOLDS_SIGNALS:
        return Confinement(
            writes=True, reason=f"Landlock of Linux 6.12 is needed, this is version {version}"
        )
    return Confinement(writes=True, signals=True)


@contextmanager
def ruleset(folders: Iterable[str] | None) -> Iterator[int | None]:
    """Give the descriptor of a ruleset by which a process may write only below some folders.

    Give None if workers are not confined, or if `folders` is None. Raises OSError.
    """
    can = confinement()
    if folders is None or not can.writes:
        yield None
        return
    # An older Landlock refuses attributes that it does not know, unless they are zero.
    scoped = _SOCKETS_AND_SIGNALS if can.signals else 0
    attributes = struct.pack("=QQQ", _FORBIDDEN, 0, scoped)
    rules = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for folder in folders:
            _allow(rules, folder, _IN_FOLDERS)
        for device in (path for pattern in DEVICES for path in Path("/dev").glob(pattern)):
            _allow(rules, device, _IN_FILES)
        if SHARED.is_dir():
            _allow(rules, SHARED, _IN_FOLDERS)
        yield rules
    finally:
        os.close(rules)


def _allow(rules: int, path: str | Path, what: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", what, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: bytes | int | None) -> int:
    """Make a system call; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    # As `long`: ctypes would pass a plain int as 32 bits.
    passed = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *passed)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

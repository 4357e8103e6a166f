"""Where exports and compiled code are kept from run to run."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

CACHE = "EMBCHECK_CACHE"
"""The variable that names the cache. A worker's names a folder for its adapter's distribution."""


def cache_folder(name: str) -> Path:
    """Return a folder of embcheck's cache: in $EMBCHECK_CACHE, or in the user's cache folder.

    What is kept there is code, so a folder that others can write to is not used: this process then
    has one of its own, which goes with it.
    """
    folder = cache_place() / name
    return folder if why_not_ours(folder) is None else Path(_own().name) / name


def cache_place() -> Path:
    """Return where embcheck's cache is, whoever can write there."""
    own, users = os.environ.get(CACHE), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own)
    return (Path(users) if users else Path.home() / ".cache") / "embcheck"


def why_not_ours(folder: Path) -> str | None:
    """Say who else can write to a folder of the cache, or to the cache; None if nobody can."""
    for place in (cache_place(), folder):
        try:
            status = place.stat()
        except OSError:
            continue  # What is not there yet will be ours.
        if status.st_uid != os.geteuid():
            return f"{place} belongs to user {status.st_uid}"
        if not is_only_ours(status):
            return f"others can write to {place}"
    return None


def bytes_of(path: Path, *, of_others: bool = False, most: int = sys.maxsize) -> bytes | None:
    """Return what a file of the cache holds, at most so many bytes of it.

    None if there is no such file, if a pipe, a folder, a device or a link lies there, or if others
    can write to it, unless `of_others` allows that.
    """
    # A pipe would block without O_NONBLOCK, and a link could lead to another user's file. What was
    # opened is then looked at, not the path, which may be another file by now.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not (of_others or is_only_ours(status)):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # No more than it had when it was looked at, whoever makes it longer meanwhile.
            return file.read(min(most, status.st_size))
    finally:
        os.close(descriptor)


def is_only_ours(status: os.stat_result) -> bool:
    """Whether a file or folder is this user's, and only this user can write to it.

    The user's own group may: many systems give each user one.
    """
    theirs = stat.S_IWOTH | (stat.S_IWGRP if status.st_gid != os.getegid() else 0)
    return status.st_uid == os.geteuid() and not status.st_mode & theirs


# Cached, so that all of a process have one folder; it is removed when the process ends.
@lru_cache
def _own() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="embcheck-cache-", ignore_cleanup_errors=True)

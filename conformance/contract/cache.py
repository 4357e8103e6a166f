"""The cache folder in which exports and compiled code are kept from run to run."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

CACHE = "EMBCHECK_CACHE"
"""The environment variable that names the cache folder. In a worker it names the folder of its
adapter's distribution."""


def cache_folder(name: str) -> Path:
    """Return a folder of embcheck's cache: in $EMBCHECK_CACHE, or in the user's cache folder.

    The cache holds code. A folder that others can write to is therefore not used. The process then
    gets a temporary folder, which is removed when it ends.
    """
    folder = cache_place() / name
    return folder if why_not_ours(folder) is None else Path(_own().name) / name


def cache_place() -> Path:
    """Return the path of embcheck's cache, without a check of who can write there."""
    own, users = os.environ.get(CACHE), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own)
    return (Path(users) if users else Path.home() / ".cache") / "embcheck"


def why_not_ours(folder: Path) -> str | None:
    """Say who else can write to the cache or to a folder of it; None if nobody else can."""
    for place in (cache_place(), folder):
        try:
            status = place.stat()
        except OSError:
            continue  # A folder that does not exist yet will be made by this user.
        if status.st_uid != os.geteuid():
            return f"{place} belongs to user {status.st_uid}"
        if not is_only_ours(status):
            return f"others can write to {place}"
    return None


def bytes_of(path: Path, *, of_others: bool = False, most: int = sys.maxsize) -> bytes | None:
    """Return the content of a file of the cache, at most its first `most` bytes.

    Return None if it cannot be opened or is not a regular file. Return None also if it belongs to
    another user or others can write to it, unless `of_others` is true.
    """
    # A pipe would block without O_NONBLOCK, and a link could lead to another user's file. The
    # checks use the open descriptor, since the path may lead to another file by now.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not (of_others or is_only_ours(status)):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # At most the size that was checked, in case another process appends to the file.
            return file.read(min(most, status.st_size))
    finally:
        os.close(descriptor)


def is_only_ours(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to this user, and nobody else can write to it.

    The user's own group may write to it, since many systems give each user a group.
    """
    theirs = stat.S_IWOTH | (stat.S_IWGRP if status.st_gid != os.getegid() else 0)
    return status.st_uid == os.geteuid() and not status.st_mode & theirs


# Cached, so that a process has one temporary folder. It is removed when the process ends.
@lru_cache
def _own() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="embcheck-cache-", ignore_cleanup_errors=True)

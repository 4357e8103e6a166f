"""A cache on disk for the results of exporters, which take seconds.

An entry is a graph, compiled code, or the exporter's refusal, which takes just as long.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.cache import bytes_of


@dataclass(frozen=True)
class Refusal:
    """An exporter's exception as data: the name and module of its type, and the reason."""

    exception: str
    module: str
    reason: str

    @classmethod
    def of(cls, error: Exception, reason: Any = None) -> Refusal:
        """Make it from an exporter's exception; the reason defaults to the exception's message."""
        return cls(type(error).__name__, type(error).__module__, str(reason or error))

    def error(self) -> Exception:
        """Return an exception whose type has that name and module."""
        # Refusals are judged by the name and module of the type. A new type is made, so that an
        # exporter that refused in an earlier run need not be imported.
        named: type[Exception] = type(self.exception, (Exception,), {"__module__": self.module})
        return named(self.reason)


def key_of(*described: Any) -> str:
    """Return a digest of everything that a result depends on, given as plain JSON data."""
    # Sorted, so that the order of a mapping's keys does not matter.
    return _digest(json.dumps(described, sort_keys=True).encode())


def made_once(folder: Path, key: str, make: Callable[[], bytes | Refusal]) -> bytes | Refusal:
    """Return the entry of a key. If there is none, make and store it.

    If several processes want it at once, one makes it and the others wait.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # By two digits of the key, so that there are at most 256 lock files, which are never removed.
    with (folder / f"{key[:2]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entry = load(folder, key)
        if entry is None:
            entry = make()
            store(folder, key, entry)
        return entry


def load(folder: Path, key: str) -> bytes | Refusal | None:
    """Return the entry of a key; None if there is none that is intact and this user's own.

    An entry may be code, so another user's entry is not loaded. The digest in its name only shows
    that it is intact, not who wrote it.
    """
    for path in folder.glob(f"{key}-*"):
        data = bytes_of(path)
        # A file that was cut off or changed does not match the digest in its name.
        if data is None or path.stem != f"{key}-{_digest(data)}":
            continue
        if path.suffix != ".json":
            return data
        told = json.loads(data)
        if told.keys() == {each.name for each in fields(Refusal)}:  # an older one knew no module
            return Refusal(**told)
    return None


def store(folder: Path, key: str, entry: bytes | Refusal) -> None:
    """Write an entry atomically: another process sees all of it, or nothing."""
    if isinstance(entry, bytes):
        data, suffix = entry, ".bin"
    else:
        data, suffix = json.dumps(asdict(entry)).encode(), ".json"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(data)
    Path(file.name).replace(folder / f"{key}-{_digest(data)}{suffix}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""What an exporter made of a configuration, on disk, since exporters take seconds.

An entry is a graph or compiled code, or the exporter's refusal: all are results, and slow to get.
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
    """The name and module of an exporter's exception, and why it was raised."""

    exception: str
    module: str
    reason: str

    @classmethod
    def of(cls, error: Exception, reason: Any = None) -> Refusal:
        """Keep an exporter's exception; the reason is its message where none is given."""
        return cls(type(error).__name__, type(error).__module__, str(reason or error))

    def error(self) -> Exception:
        """Return an exception of that name and module."""
        # Judged by the name and module of its type; made anew, so that an exporter that refused in
        # an earlier run need not be imported.
        named: type[Exception] = type(self.exception, (Exception,), {"__module__": self.module})
        return named(self.reason)


def key_of(*described: Any) -> str:
    """Digest everything that a result depends on, given as plain JSON data."""
    # Sorted, since a mapping of options may be filled in any order.
    return _digest(json.dumps(described, sort_keys=True).encode())


def made_once(folder: Path, key: str, make: Callable[[], bytes | Refusal]) -> bytes | Refusal:
    """Return the entry of a key, made and stored if there is none.

    Of several processes that want it at once, one makes it, and the others wait for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # 256 locks at most, however many entries there are: lock files are never removed.
    with (folder / f"{key[:2]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entry = load(folder, key)
        if entry is None:
            entry = make()
            store(folder, key, entry)
        return entry


def load(folder: Path, key: str) -> bytes | Refusal | None:
    """Return the entry of a key that is this user's and whose bytes fit its name, or None.

    The name is no proof of where the bytes come from: an entry may be code, and another user's is
    not loaded.
    """
    for path in folder.glob(f"{key}-*"):
        data = bytes_of(path)
        # A file that was cut off, or changed, does not fit the digest in its name.
        if data is None or path.stem != f"{key}-{_digest(data)}":
            continue
        if path.suffix != ".json":
            return data
        told = json.loads(data)
        if told.keys() == {each.name for each in fields(Refusal)}:  # an older one knew no module
            return Refusal(**told)
    return None


def store(folder: Path, key: str, entry: bytes | Refusal) -> None:
    """Write an entry at once: another process sees all of it, or nothing."""
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

"""What backends say of themselves, cached: asking eighty of them takes a minute of CPU time.

The cache serves the list of `embcheck backends`, and the choice of all installed backends. A run
asks its backends itself, so the cache decides no result. An entry is plain data. It is used only
while the state that it was made in has not changed: see `_State`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.cache import bytes_of, cache_folder
from embcheck.conformance.execution.address import Address, parse_addresses
from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.execution.pool import started_pool
from embcheck.conformance.execution.processes.starter import ENVIRONMENT
from embcheck.conformance.execution.protocol.checks import seconds, text
from embcheck.conformance.execution.protocol.messages import describe_info, parse_info
from embcheck.conformance.execution.protocol.wire import Broken

TIMEOUT = 60.0
MOST_BYTES = 1 << 20
"""The most bytes of an entry; the largest has 2 kB."""

OF_THE_TERMINAL = (
    *("COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "WINDOWID", "_"),
    *("SSH_", "TERM", "TMUX", "VSCODE_", "XDG_SESSION_"),
)
"""Prefixes of variables that differ between terminals and do not affect backends."""
_HARNESS = ("embcheck.conformance.contract", "embcheck.conformance.execution")
_INSTALLED = (".dist-info", ".egg-info", ".egg-link", ".pth")
_DEVICES = ("nvidia", "kfd", "dri", "accel")

Introduction = Mapping[str, Any]
"""A backend as in a run's header: its info, or `unavailable` or `broken` with the reason."""


@dataclass(frozen=True)
class Introduced:
    """A backend's introduction. `kept` is the day it was cached, None if it was asked now."""

    backend: Introduction
    kept: str | None = None


def introductions(texts: Iterable[str], *, refresh: bool = False) -> list[Introduced]:
    """Return what backends say of themselves; ask only those that are not cached.

    With `refresh`, all are asked. Broken ones always are. Raises what `parse_addresses` raises.
    """
    addresses = parse_addresses(texts)
    state = _State()
    digests = {address.label: state.of(address) for address in addresses}
    kept: dict[str, Introduced] = {}
    if not refresh:
        found = {label: _load(label, digest) for label, digest in digests.items() if digest}
        kept = {label: entry for label, entry in found.items() if entry is not None}
    asked = [address.text for address in addresses if address.label not in kept]
    if asked:
        with started_pool(asked, TIMEOUT) as pool:
            for label in pool.names:
                entry = pool.describe(label)
                kept[label] = Introduced(entry)
                # A broken one is asked each time, until it is repaired.
                if (digest := digests[label]) and "broken" not in entry:
                    _store(label, digest, entry)
    return [kept[address.label] for address in addresses]


class _State:
    """Digests of everything that decides what a backend says of itself.

    These are the sources of its adapter and of the harness, the interpreter and all that is
    installed for it, the environment and the folders of its PATH (where compilers are), and the
    machine with its devices and cores.
    """

    def __init__(self) -> None:
        self._points = known_backends()
        self._shared = _digest(
            *(version("embcheck"), sys.version, sys.executable, sys.prefix, platform.node()),
            *sorted(f"{name}={value}" for name, value in ENVIRONMENT.items()),
            *_environment(),
            *_installed(),
            *_devices(),
            *(_source(name) or "" for name in _HARNESS),
        )
        # Most backends are of one package, whose source is read once for all of them.
        self._sources: dict[str, str | None] = {}

    def of(self, address: Address) -> str | None:
        """Return the digest of a backend's state; None if it cannot be known from here."""
        if not address.is_here or address.label != address.id:
            return None  # Another interpreter's packages are not known here.
        point = self._points[address.id]
        parts = point.module.split(".")
        # Families import one another, so the whole package counts.
        package = "embcheck.backends" if parts[:2] == ["embcheck", "backends"] else parts[0]
        if package not in self._sources:
            self._sources[package] = _source(package)
        source = self._sources[package]
        return None if source is None else _digest(self._shared, source, point.value)


def _environment() -> Iterator[str]:
    for name, value in sorted(os.environ.items()):
        if not name.startswith(OF_THE_TERMINAL):
            yield f"{name}={value}"
    for folder in os.get_exec_path():
        yield _changed(Path(folder))


def _installed() -> Iterator[str]:
    """List what is installed: the folders of distributions, named by name and version."""
    for folder in sys.path:
        try:
            entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
        except OSError:
            continue  # Not there, or an archive.
        for entry in entries:
            if entry.name.endswith(_INSTALLED):
                yield f"{folder}/{entry.name} {_changed(Path(entry.path))}"


def _devices() -> Iterator[str]:
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {os.cpu_count()}
    yield f"cores {sorted(map(str, cores))}"
    for folder in (Path("/dev"), Path("/dev/dri")):
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        yield from sorted(name for name in names if name.startswith(_DEVICES))
    yield _changed(Path("/proc/driver/nvidia/version"))


def _changed(path: Path) -> str:
    try:
        return str(path.stat().st_mtime_ns)
    except OSError:
        return "absent"


def _source(package: str) -> str | None:
    """Digest the Python files of a package or module without importing it; None if not found."""
    spec = _spec(package)
    if spec is None:
        return None
    files = [Path(spec.origin)] if spec.origin and spec.origin.endswith(".py") else []
    for folder in spec.submodule_search_locations or ():
        files += sorted(Path(folder).rglob("*.py"))
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(f"{file}\0".encode() + file.read_bytes())
    except OSError:
        return None
    return digest.hexdigest() if files else None


def _spec(package: str) -> ModuleSpec | None:
    """Find a package without importing its parents; `find_spec` would import them."""
    spec, path = None, None
    name = ""
    for part in package.split("."):
        name = f"{name}.{part}" if name else part
        finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
        found = (find(name, path) for find in finders if find is not None)
        spec = next((one for one in found if one is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


def _place(name: str) -> Path:
    """Return an entry's file: each environment has its own."""
    return cache_folder("introductions") / f"{_digest(sys.prefix, name)[:32]}.json"


def _load(name: str, digest: str) -> Introduced | None:
    """Return a backend's cached entry; None if it is absent, invalid or of another state."""
    data = bytes_of(_place(name), most=MOST_BYTES)
    if data is None:
        return None
    try:
        kept = json.loads(data)
        if kept["state"] != digest:
            return None
        day, entry = datetime.fromisoformat(kept["asked"]).date(), dict(kept["entry"])
        return Introduced(_checked(entry, name), str(day))
    except (ValueError, TypeError, LookupError, RecursionError, Broken):
        return None  # Not our entry, or of an older embcheck: ask the backend.


def _checked(entry: dict[str, Any], name: str) -> Introduction:
    """Return an entry, if each of its fields is as a worker may send it.

    Otherwise raises Broken, ValueError, TypeError or LookupError.
    """
    if set(entry) == {"id", "unavailable"} and entry["id"] == name:
        return {"id": name, "unavailable": text(entry["unavailable"], "the reason")}
    took = seconds(entry.pop("import_seconds"), "the time")
    info = parse_info(entry)
    if info.id != name:
        raise Broken(f"an entry of {name} calls itself {info.id}")
    return {**describe_info(info), "import_seconds": took}


def _store(name: str, digest: str, entry: Introduction) -> None:
    """Write an entry atomically; if the cache is not writable, do nothing."""
    asked = datetime.now(UTC).isoformat(timespec="seconds")
    kept = json.dumps({"state": digest, "asked": asked, "entry": dict(entry)})
    place = _place(name)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Moved into its place: another process that reads meanwhile never sees half of an entry.
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            new = Path(folder, "new")
            new.write_text(kept, "utf-8")
            new.replace(place)
    except OSError:
        return


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

"""A cache on disk of the parsed spec files, because parsing is slow.

An entry is used only if its bytes match the digest at its beginning, and if file, clauses, parser
and NumPy are those that it was made from; otherwise the file is parsed again.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.suite.model import Spec

_DIGEST_BYTES = 32


def parsed_once(path: Path, root: Path, parse: Callable[[Path], Spec]) -> Spec:
    """Return the spec of a file below `root`, parsed if no entry on disk is of the same state."""
    state = hashlib.sha256(_parser_state(root) + bytes(path) + path.read_bytes()).digest()
    entry = cache_folder("specs") / hashlib.sha256(bytes(path.resolve())).hexdigest()[:24]
    known = _load(entry, state)
    if known is None:
        known = parse(path)
        _store(entry, state, known)
    return known


@lru_cache
def _parser_state(root: Path) -> bytes:
    """Return a digest of all that a parsed spec depends on beside its file."""
    digest = hashlib.sha256(np.__version__.encode())
    package = Path(str(files("embcheck.conformance")))
    sources = [*package.glob("suite/*.py"), *package.glob("contract/*.py")]
    for file in sorted([*sources, *root.glob("*.json"), *root.glob("clauses/*.yaml")]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def _load(entry: Path, state: bytes) -> Spec | None:
    if not entry.exists():
        return None
    data = entry.read_bytes()
    written, stored = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if written != _digest(state, stored):
        return None
    spec = pickle.loads(stored)  # noqa: S301  (our own bytes, or the digest would not fit)
    return spec if isinstance(spec, Spec) else None


def _store(entry: Path, state: bytes, spec: Spec) -> None:
    """Write an entry atomically; if the cache is not writable, parsing only takes longer."""
    stored = pickle.dumps(spec, pickle.HIGHEST_PROTOCOL)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent) as folder:
            new = Path(folder, "new")
            new.write_bytes(_digest(state, stored) + stored)
            new.replace(entry)
    except OSError:
        return


def _digest(state: bytes, stored: bytes) -> bytes:
    return hashlib.sha256(state + stored).digest()

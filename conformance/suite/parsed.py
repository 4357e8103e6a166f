"""A cache on disk of the parsed spec files, because parsing is slow.

A backend's code runs with the user's rights, and a changed entry could change every verdict. So an
entry is not trusted for its place or its owner, but only if its digest is in `specs/parsed.json`.
That list is shipped with the specs. If an entry is not the one listed, the file is parsed again.
Whoever can change the list can change the specs, and embcheck itself.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from embcheck.conformance.contract.cache import bytes_of, cache_place
from embcheck.conformance.suite.entry import from_text, to_text
from embcheck.conformance.suite.model import Spec

LIST = "parsed.json"
"""The file of digests, in the folder of the specs. It maps `state_of` a file to `digest_of` its
entry."""
_MOST_BYTES = 64 * 1024 * 1024
"""The most bytes of an entry that are read; the largest entry has 1 MB."""

Parse = Callable[[Path], Spec]


def parsed_once(path: Path, root: Path, parse: Parse) -> Spec:
    """Return the spec of a file below `root`, from the cache if its entry is the one listed."""
    listed = _listed(root / LIST).get(state_of(path, root))
    if listed is None:  # The file or the parser has changed since the list was made.
        return parse(path)
    # Named by its content, so that several versions of embcheck can share a cache.
    entry = cache_place() / "parsed-specs" / listed[:32]
    text = bytes_of(entry, of_others=True, most=_MOST_BYTES)
    if text is not None and digest_of(text) == listed:
        return from_text(text)
    spec = parse(path)
    text = to_text(spec)
    # An entry with another digest would be written in each run and never read.
    if digest_of(text) == listed:
        _store(entry, text)
    return spec


@lru_cache
def _listed(path: Path) -> Mapping[str, str]:
    digests: Mapping[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return digests


def state_of(path: Path, root: Path) -> str:
    """Return a digest of everything that a parsed spec depends on: its file and the parser."""
    name = f"{path.parent.name}/{path.name}\0".encode()
    return hashlib.sha256(_parser_state(root) + name + path.read_bytes()).hexdigest()


@lru_cache
def _parser_state(root: Path) -> bytes:
    """Return a digest of what parsing depends on besides the file: code, schemas and clauses."""
    digest = hashlib.sha256()
    package = Path(str(files("embcheck.conformance")))
    sources = [*package.glob("suite/*.py"), *package.glob("contract/*.py")]
    # The list itself is left out, since it contains this digest.
    beside = [*root.glob("*.json"), *root.glob("clauses/*.yaml")]
    for file in sorted([*sources, *(path for path in beside if path.name != LIST)]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def digest_of(text: bytes) -> str:
    """Return the digest by which the list identifies an entry."""
    return hashlib.sha256(text).hexdigest()


def _store(entry: Path, text: bytes) -> None:
    """Write an entry atomically. Ignore errors: without the cache, parsing only takes longer."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent) as folder:
            new = Path(folder, "new")
            new.write_bytes(text)
            new.replace(entry)
    except OSError:
        return

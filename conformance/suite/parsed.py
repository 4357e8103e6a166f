"""A cache on disk of the parsed spec files, because parsing is slow.

What a case expects decides every verdict, and whatever a backend runs has the user's rights, so an
entry is not believed for where it lies or whose it is. `specs/parsed.json`, which is shipped beside
the specs, has the digest of each: any other entry is passed over, and the file parsed again. Who
can change that list can change the specs, and embcheck itself.
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
"""The file with the digests, in the folder of the specs: by what each was made from."""
_MOST_BYTES = 64 * 1024 * 1024
"""Of an entry; the largest has 1 MB."""

Parse = Callable[[Path], Spec]


def parsed_once(path: Path, root: Path, parse: Parse) -> Spec:
    """Return the spec of a file below `root`, parsed if no entry on disk is the one listed."""
    listed = _listed(root / LIST).get(state_of(path, root))
    if listed is None:  # The file or the parser was changed since.
        return parse(path)
    # Named by what is in it: where several versions of embcheck share a cache, each finds its own.
    entry = cache_place() / "parsed-specs" / listed[:32]
    text = bytes_of(entry, of_others=True, most=_MOST_BYTES)
    if text is not None and digest_of(text) == listed:
        return from_text(text)
    spec = parse(path)
    text = to_text(spec)
    # An entry that the list does not have would be written in each run, and never be read.
    if digest_of(text) == listed:
        _store(entry, text)
    return spec


@lru_cache
def _listed(path: Path) -> Mapping[str, str]:
    digests: Mapping[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return digests


def state_of(path: Path, root: Path) -> str:
    """Return a digest of all that a parsed spec depends on."""
    name = f"{path.parent.name}/{path.name}\0".encode()
    return hashlib.sha256(_parser_state(root) + name + path.read_bytes()).hexdigest()


@lru_cache
def _parser_state(root: Path) -> bytes:
    """Return a digest of all that a parsed spec depends on beside its file."""
    digest = hashlib.sha256()
    package = Path(str(files("embcheck.conformance")))
    sources = [*package.glob("suite/*.py"), *package.glob("contract/*.py")]
    # The list itself is left out: it holds this digest.
    beside = [*root.glob("*.json"), *root.glob("clauses/*.yaml")]
    for file in sorted([*sources, *(path for path in beside if path.name != LIST)]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def digest_of(text: bytes) -> str:
    """Return what the list has of an entry."""
    return hashlib.sha256(text).hexdigest()


def _store(entry: Path, text: bytes) -> None:
    """Write an entry atomically; if the cache is not writable, parsing only takes longer."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent) as folder:
            new = Path(folder, "new")
            new.write_bytes(text)
            new.replace(entry)
    except OSError:
        return

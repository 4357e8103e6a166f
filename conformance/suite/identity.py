"""Which suite a run is of: a digest of its cases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.suite.fingerprint import joined
from embcheck.conformance.suite.load import is_shipped, load_spec, spec_files, suite_root
from embcheck.conformance.suite.parsed import parser_state


def suite_fingerprint(files: Iterable[Path]) -> str:
    """Return the digest of the shipped suite, and of those spec files that are not of it.

    Raises SpecError for a file that is no spec.
    """
    own = [file for file in dict.fromkeys(files) if not is_shipped(file)]
    shipped = _shipped_fingerprint()
    return joined([shipped, _fingerprint_of(own)]) if own else shipped


def _shipped_fingerprint() -> str:
    """Return the digest of the shipped suite; it is kept, for loading all specs is slow."""
    files = spec_files()
    state = hashlib.sha256(parser_state(suite_root()))
    for file in files:
        state.update(f"{file.parent.name}/{file.name}\0".encode() + file.read_bytes())
    entry = cache_folder("suite") / state.hexdigest()
    known = _kept(entry)
    if known is None:
        known = _fingerprint_of(files)
        _keep(entry, known)
    return known


def _kept(entry: Path) -> str | None:
    """Return an entry of the cache; None if there is none, or none that can be read."""
    try:
        text = entry.read_text("ascii")
    except (OSError, ValueError):
        return None
    return text if len(text) == len(joined([])) else None


def _keep(entry: Path, text: str) -> None:
    """Write an entry of the cache; if it is not writable, the next run only takes longer."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(text, "ascii")
    except OSError:
        return


def _fingerprint_of(files: Iterable[Path]) -> str:
    cases = (case for file in files for case in load_spec(file).cases)
    return joined(sorted(f"{case.id} {case.fingerprint}" for case in cases))

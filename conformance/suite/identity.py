"""Which suite a run is of: a digest of the cases of its spec files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from embcheck.conformance.suite.fingerprint import joined
from embcheck.conformance.suite.load import load_spec


def suite_fingerprint(files: Iterable[Path]) -> str:
    """Return the digest of all that the cases of some spec files are judged by.

    Raises SpecError for a file that is not a spec.
    """
    cases = (case for file in files for case in load_spec(file).cases)
    # Sorted: a suite is the same in whatever order its files are named.
    return joined(sorted(f"{case.id} {case.fingerprint}" for case in cases))

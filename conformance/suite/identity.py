"""The digest that identifies the suite of a run, made from the cases of its spec files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from embcheck.conformance.suite.fingerprint import joined
from embcheck.conformance.suite.load import load_spec


def suite_fingerprint(files: Iterable[Path]) -> str:
    """Return the digest of the ids and fingerprints of all cases in some spec files.

    Raise SpecError for a file that is not a spec.
    """
    cases = (case for file in files for case in load_spec(file).cases)
    # Sorted, so that the order of the files does not matter.
    return joined(sorted(f"{case.id} {case.fingerprint}" for case in cases))

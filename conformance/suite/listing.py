"""Make `specs/parsed.json`, the list of digests of parsed specs that `parsed` relies on.

`python -m embcheck.conformance.suite.listing > specs/parsed.json`. A test compares the two.
"""

from __future__ import annotations

import json
import sys

from embcheck.conformance.suite.entry import to_text
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files, suite_root
from embcheck.conformance.suite.parsed import digest_of, state_of


def listing() -> str:
    """Parse all specs that embcheck ships, and return the list of their digests as JSON."""
    root, clauses = suite_root(), shipped_clauses()
    digests = {
        state_of(path, root): digest_of(to_text(load_spec(path, clauses))) for path in spec_files()
    }
    return json.dumps(digests, indent=0) + "\n"


if __name__ == "__main__":
    sys.stdout.write(listing())

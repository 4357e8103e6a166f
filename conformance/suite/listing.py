"""Make `specs/parsed.json`, the digests by which kept specs are known: see `parsed`.

`python -m embcheck.conformance.suite.listing > specs/parsed.json`; a test holds the file to it.
"""

from __future__ import annotations

import json
import sys

from embcheck.conformance.suite.entry import to_text
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files, suite_root
from embcheck.conformance.suite.parsed import digest_of, state_of


def listing() -> str:
    """Return the list of the digests of all specs that embcheck ships, each parsed anew."""
    root, clauses = suite_root(), shipped_clauses()
    digests = {
        state_of(path, root): digest_of(to_text(load_spec(path, clauses))) for path in spec_files()
    }
    return json.dumps(digests, indent=0) + "\n"


if __name__ == "__main__":
    sys.stdout.write(listing())

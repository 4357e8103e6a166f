"""Measure how soon the fuzzer finds each planted fault: `python -m calibration.hunts`.

Prints the table of `docs/fuzzing.md`. Seconds are CPU time of this process and its children, from
the first call until the first finding is shrunk, written and reproduced.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from embcheck.conformance.fuzzing.hunt import FuzzBudget
from embcheck.conformance.fuzzing.session import FuzzSettings, Session

SEED, MOST_EXAMPLES, CALL_SECONDS = 1, 20_000, 30.0

PLANTED = {
    "zoo-wide-rows": "wrong beyond 1,024 columns",
    "zoo-vector-tail": "tail of a vector of 8 dropped",
    "zoo-bag-capacity": "128 entries of a bag at most",
    "zoo-repeat-limit": "64 repeats of one row in a gradient",
    "zoo-padding-beyond": "gradient of padding beyond 768 positions",
    "zoo-bag-limit": "1,000 bags at most",
    "zoo-byte-classes": "`one_hot` of 256 classes",
    "zoo-half-indices": "indices through float16",
    "zoo-float-indices": "indices through float32",
    "zoo-row-stride": "row stride ignored",
    "zoo-start-offset": "start in memory ignored",
    "zoo-negative-strides": "negative stride read forwards",
    "zoo-zero-strides": "upstream gradient of stride 0 misread",
    "zoo-second-call": "answer of the first call of a shape",
    "zoo-heightless-cache": "cache without the table's height",
    "zoo-every-fiftieth": "wrong in every 50th call",
    "zoo-training-path": "wrong only beside a gradient",
    "zoo-beside-padding": "bad index accepted beside `padding_idx`",
}


class Found(Exception):
    """Raised when a hunt has its first finding."""


class OneFinding(Session):
    """A session that ends with its first finding."""

    def write(self) -> Path:
        """End the session by raising Found."""
        raise Found


def row(backend: str, folder: Path) -> str:
    """Hunt for the fault of a backend, and return its row of the table."""
    budget = FuzzBudget(MOST_EXAMPLES, None)
    session = OneFinding(FuzzSettings(SEED, budget, CALL_SECONDS, folder), lambda *_: None)
    before = sum(os.times()[:4])
    try:
        session.run([backend])
    except Found:
        (finding,) = session.hunted[0].findings
        seconds = sum(os.times()[:4]) - before
        found, examples = str(finding.signature), session.hunted[0].tally.examples
        return f"| {PLANTED[backend]} | {found} | {examples} | {seconds:.0f} |"
    return f"| {PLANTED[backend]} | not in {MOST_EXAMPLES} examples | - | - |"


def main(names: list[str]) -> None:
    """Print the row of one backend, or without a name the whole table.

    Each row comes from a process of its own: a hunt that ends early leaves its generator half
    used, and the next hunt in the same process would continue there.
    """
    if names:
        with tempfile.TemporaryDirectory() as scratch:
            print(row(names[0], Path(scratch)))
        return
    print("| planted | found as | examples | seconds |\n|---|---|---|---|", flush=True)
    for name in PLANTED:
        subprocess.run([sys.executable, "-m", __spec__.name, name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])

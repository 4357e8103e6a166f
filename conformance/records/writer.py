"""Write `results.jsonl` line by line, so that an interrupted run leaves what it has."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from embcheck.conformance.records.lines import (
    Line,
    Measurement,
    PriceLine,
    ResultLine,
    RunFooter,
    RunHeader,
    to_json_data,
)
from embcheck.conformance.records.run import FILE_NAME


class RunWriter:
    """Appends the lines of one run to a folder's `results.jsonl`.

    A run replaces an earlier one of the same purpose in the folder and keeps those of another, so
    that `run` and `bench` can share a folder. What is replaced stays in `results.previous.jsonl`.
    `lines` are those that an interrupted run is taken up with.
    """

    def __init__(self, folder: Path, header: RunHeader, lines: Iterable[Line] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE_NAME
        self.counts: Counter[str] = Counter()
        self._started = time.perf_counter()
        kept = _other_runs(self.path, header.purpose)
        if self.path.exists() and "".join(kept) != self.path.read_text("utf-8"):
            self.path.replace(folder / "results.previous.jsonl")
        self._file: IO[str] = self.path.open("w", encoding="utf-8")
        self._file.writelines(kept)
        self.write(header, *lines)

    def write(self, *lines: Line) -> None:
        """Write lines that belong together, and flush them to the file."""
        for line in lines:
            if isinstance(line, ResultLine):
                self.counts[line.outcome] += 1
            if isinstance(line, Measurement | PriceLine):
                self.counts[line.verdict] += 1
            self._file.write(json.dumps(to_json_data(line), allow_nan=False) + "\n")
        self._file.flush()

    def finish(self, exit_code: int) -> None:
        """Write the footer and close the file."""
        seconds = time.perf_counter() - self._started
        self.write(RunFooter(now(), round(seconds, 3), exit_code, dict(self.counts)))
        self.close()

    def close(self) -> None:
        """Close the file; without a footer before, the run is partial."""
        self._file.close()


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _purpose(header: str) -> str | None:
    """Return the purpose of a run by its header; None if that cannot be read."""
    try:
        return str(json.loads(header)["purpose"])
    except (ValueError, KeyError):
        return None


def _other_runs(path: Path, purpose: str) -> list[str]:
    """Return the lines of the runs in a file that have another purpose."""
    if not path.exists():
        return []
    kept: list[str] = []
    keeping = False
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break
            if line.startswith('{"type": "run"'):
                keeping = _purpose(line) not in (purpose, None)
            if keeping:
                kept.append(line)
    return kept

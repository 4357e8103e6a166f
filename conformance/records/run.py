"""A finished or partial run, read back from `results.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embcheck.conformance.records.lines import (
    FORMAT_VERSION,
    LINE_TYPES,
    CaseLine,
    ClauseLine,
    Line,
    Measurement,
    PriceLine,
    ResultLine,
    RoundsLine,
    RunFooter,
    RunHeader,
)
from embcheck.conformance.records.plain import from_plain

FILE_NAME = "results.jsonl"
_OLDER_CATEGORIES = {"upstream-bug": "bug", "adapter": "composition"}
"""What the categories of deviations were called before they followed from a cause."""


class RecordError(Exception):
    """A results file cannot be read; says where and what to do."""


@dataclass
class Run:
    """One execution: its header, what it knows, and whether it came to its end."""

    header: RunHeader
    clauses: dict[str, ClauseLine] = field(default_factory=dict)
    cases: dict[str, CaseLine] = field(default_factory=dict)
    results: list[ResultLine] = field(default_factory=list)
    rounds: list[RoundsLine] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    prices: list[PriceLine] = field(default_factory=list)
    footer: RunFooter | None = None

    @property
    def partial(self) -> bool:
        """Whether the run stopped before its end."""
        return self.footer is None

    @property
    def selection(self) -> str:
        """Which cases of the suite were to be run, in words; empty for all."""
        settings = self.header.settings if isinstance(self.header.settings, Mapping) else {}
        return str(settings.get("selection") or "")

    def add(self, line: Line) -> None:
        """Take in one line that follows the header."""
        if isinstance(line, ClauseLine):
            self.clauses[line.id] = line
        elif isinstance(line, CaseLine):
            self.cases[line.case] = line
        elif isinstance(line, ResultLine):
            self.results.append(line)
        elif isinstance(line, RoundsLine):
            self.rounds.append(line)
        elif isinstance(line, Measurement):
            self.measurements.append(line)
        elif isinstance(line, PriceLine):
            self.prices.append(line)
        elif isinstance(line, RunFooter):
            self.footer = line


def read_runs(path: Path) -> list[Run]:
    """Read all runs of a file, or of the `results.jsonl` in a folder.

    A last line that was cut off is left out (the run is partial then). Raises RecordError for a
    file that is missing, is no record, or has a newer format.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise RecordError(f"{file}: {error.strerror}; name a folder that a run wrote") from None
    runs: list[Run] = []
    for number, text in enumerate(lines, 1):
        try:
            line = _parse(json.loads(text), f"{file}:{number}")
        except json.JSONDecodeError:
            if number == len(lines):
                break
            raise RecordError(f"{file}:{number}: not JSON; the file is damaged") from None
        if isinstance(line, RunHeader):
            runs.append(Run(line))
        elif runs:
            runs[-1].add(line)
        else:
            raise RecordError(f"{file}:{number}: no run header comes before; not a results file")
    if not runs:
        raise RecordError(f"{file}: holds no run; run the suite first")
    return runs


def _parse(data: Any, place: str) -> Line:
    if not isinstance(data, dict) or data.get("type") not in LINE_TYPES:
        raise RecordError(f"{place}: not a line of a results file")
    if data.get("format", FORMAT_VERSION) > FORMAT_VERSION:
        raise RecordError(f"{place}: written by a newer embcheck; upgrade to read it")
    kind = LINE_TYPES[data["type"]]
    deviation = data.get("deviation")
    if isinstance(deviation, dict) and "cause" not in deviation:
        older = str(deviation.get("category", ""))
        data["deviation"] = {**deviation, "category": _OLDER_CATEGORIES.get(older, older)}
    try:
        return from_plain(kind, data)
    except TypeError as error:
        raise RecordError(f"{place}: {error}") from None

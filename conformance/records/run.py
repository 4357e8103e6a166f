"""Read runs, complete or partial, from `results.jsonl`."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from embcheck.conformance.records.doubts import doubts
from embcheck.conformance.records.lines import (
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
from embcheck.conformance.records.reading import RecordError, read_lines

__all__ = ["FILE_NAME", "RecordError", "Run", "read_runs"]

FILE_NAME = "results.jsonl"


@dataclass
class Run:
    """One execution: its header, its lines by type, and its footer, None if it has none.

    `damage` says which lines are not as a run writes them.
    """

    header: RunHeader
    clauses: dict[str, ClauseLine] = field(default_factory=dict)
    cases: dict[str, CaseLine] = field(default_factory=dict)
    results: list[ResultLine] = field(default_factory=list)
    rounds: list[RoundsLine] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    prices: list[PriceLine] = field(default_factory=list)
    footer: RunFooter | None = None
    damage: list[str] = field(default_factory=list)

    @property
    def partial(self) -> bool:
        """Whether the run stopped before its end, or contradicts itself."""
        return bool(self.doubts)

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """Why the run is partial, the most severe reason first; empty if it is not."""
        return tuple(doubts(self))

    @property
    def selection(self) -> str:
        """The selection of cases in words; empty for the whole suite."""
        settings = self.header.settings
        named = "the named specs" if settings.get("named_specs") else ""
        return str(settings.get("selection") or named)

    def add(self, line: Line, number: int = 0) -> None:
        """Add a line after the header; `number` is its line number in the file."""
        # The cached `doubts` may change with each line.
        self.__dict__.pop("doubts", None)
        if self.footer is not None:
            self.damage.append(f"line {number} stands after its end")
        if isinstance(line, ClauseLine):
            self._hold(self.clauses.setdefault(line.id, line), line, number)
        elif isinstance(line, CaseLine):
            self._hold(self.cases.setdefault(line.case, line), line, number)
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

    def _hold(self, first: Line, line: Line, number: int) -> None:
        """Note as damage that a line differs from the first one with its id."""
        if first != line:
            self.damage.append(f"line {number} states a case or clause otherwise than before")


def read_runs(path: Path) -> list[Run]:
    """Read all runs of a file, or of the `results.jsonl` in a folder.

    A last line that was cut off is left out, and makes the run partial. Raise RecordError for a
    file that is missing, is not a record, or has a newer format.
    """
    try:
        file = path / FILE_NAME if path.is_dir() else path
        with _no_collecting():
            return _read(file)
    except OSError as error:
        place = error.filename or path
        raise RecordError(f"{place}: {error.strerror}; name a folder that a run wrote") from None


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Turn the garbage collector off: it would find nothing, and take a fifth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _read(file: Path) -> list[Run]:
    runs: list[Run] = []
    for number, line in read_lines(file):
        if isinstance(line, RunHeader):
            runs.append(Run(line))
        elif line is None:
            # Without a run before it, the file is refused below.
            if runs:
                runs[-1].damage.append(f"line {number} is cut off")
        elif runs:
            runs[-1].add(line, number)
        else:
            raise RecordError(f"{file}:{number}: no run header comes before; not a results file")
    if not runs:
        raise RecordError(f"{file}: holds no run; run the suite first")
    return runs

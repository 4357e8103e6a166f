"""What a pytest session records: its header, then each result as it comes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.claim import InUse
from embcheck.conformance.records.lines import (
    CaseLine,
    ClauseLine,
    Line,
    ResultLine,
    RunHeader,
    to_json_data,
)
from embcheck.conformance.records.plain import from_plain
from embcheck.conformance.records.run import Run, read_runs
from embcheck.conformance.records.writer import CannotWrite, RunWriter


@dataclass(frozen=True)
class ResultLines:
    """A result, with the lines of its case and of that case's clauses."""

    result: ResultLine
    case: CaseLine
    clauses: tuple[ClauseLine, ...]

    def to_text(self) -> str:
        """Return the lines as JSON: xdist can send neither wide integers nor our classes."""
        lines: list[Line] = [self.result, self.case, *self.clauses]
        return json.dumps([to_json_data(line) for line in lines])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Rebuild the lines from the text of `to_text`."""
        result, case, *clauses = json.loads(text)
        return cls(
            from_plain(ResultLine, result),
            from_plain(CaseLine, case),
            tuple(from_plain(ClauseLine, clause) for clause in clauses),
        )


class Recorder:
    """The record of a session, if it has one, and how much of it is written."""

    def __init__(self) -> None:
        self.planned = 0
        self.recorded = 0
        self.written: set[str] = set()
        """The ids of the clauses and cases in the record."""
        self.lost: CannotWrite | None = None
        """Why nothing more can be written."""
        self._writer: RunWriter | None = None
        self._written: RunWriter | None = None
        self._unjudged: Counter[str] = Counter()

    @property
    def is_open(self) -> bool:
        """Whether there is a record to be written to."""
        return self._writer is not None

    def open(self, folder: Path, header: RunHeader) -> None:
        """Begin a record; raises UsageError if the folder does not allow it."""
        self.planned = header.planned
        try:
            self._writer = self._written = RunWriter(folder, header)
        except InUse as refusal:
            raise pytest.UsageError(f"embcheck: {refusal}") from None
        except OSError as error:
            said = f"embcheck: cannot write to {folder}: {error.strerror or error}"
            raise pytest.UsageError(said) from None

    def add(self, found: ResultLines) -> None:
        """Record a result, preceded by its case and clauses when they come for the first time.

        Ends the session if it cannot be written.
        """
        if self._writer is None:
            return
        result = found.result
        try:
            self._writer.write(*self._context(found), result)
        except CannotWrite as reason:
            self._give_up(reason)
            pytest.exit(f"embcheck: {reason}", returncode=ExitCode.USAGE)
        self.recorded += 1
        if result.outcome in (Outcome.UNSUPPORTED, Outcome.NOT_RUN):
            self._unjudged[f"{result.outcome}: {result.message}"] += 1

    def why_nothing_is_judged(self) -> str:
        """Say that nothing was judged, with the most frequent reason; empty if something was."""
        if not self._unjudged or self._unjudged.total() < self.recorded:
            return ""
        reason, count = self._unjudged.most_common(1)[0]
        others = len(self._unjudged) - 1
        more = f"; {others} other {'reason' if others == 1 else 'reasons'}" if others else ""
        return f"nothing was judged: {count:,} of {self.recorded:,} results are {reason}{more}"

    def runs(self) -> list[Run]:
        """Return the runs in the record: this one, and those of other purposes beside it.

        The file is not read if this run is its only one: reading takes as long as hundreds of
        cases. Raises RecordError if the file cannot be read.
        """
        if self._written is None:
            return []
        return read_runs(self._written.path) if self._written.has_others else [self._written.run]

    def _context(self, found: ResultLines) -> Iterator[ClauseLine | CaseLine]:
        """Return the lines of a result's case and clauses, the first time that they come."""
        for clause in found.clauses:
            if clause.id not in self.written:
                self.written.add(clause.id)
                yield clause
        if found.case.case not in self.written:
            self.written.add(found.case.case)
            yield found.case

    def finish(self, session: pytest.Session, exit_code: ExitCode) -> None:
        """Write the footer; if that fails, the session ends with the exit code of bad usage."""
        if self._writer is None:
            return
        try:
            self._writer.finish(exit_code)
            self._writer = None
        except CannotWrite as reason:
            self._give_up(reason)
            session.exitstatus = ExitCode.USAGE

    def close(self) -> None:
        """Close what an interruption left open."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _give_up(self, reason: CannotWrite) -> None:
        self.lost = reason
        self.close()

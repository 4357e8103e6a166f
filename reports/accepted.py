"""The record that is kept of an accepted run: enough to compare later runs with it.

It is a record like any other, but without arrays, texts and times. It has a line for each case and
result, sorted by name, so that a new record changes only the lines of results that changed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from embcheck.conformance.records.lines import (
    CaseLine,
    KnownDeviation,
    Line,
    ResultLine,
    RunFooter,
)
from embcheck.conformance.records.plain import to_plain
from embcheck.conformance.records.run import Run
from embcheck.reports.diff import normalise


class NotAcceptable(Exception):
    """A run that nothing can be compared with; the message says why and what to do."""


def accepted_text(runs: Iterable[Run]) -> Iterator[str]:
    """Yield the lines of the record that is kept of some runs; timings are left out.

    Raises NotAcceptable if there is no run of the suite, or one that is partial or has cases
    without a fingerprint.
    """
    found = [run for run in runs if run.header.purpose == "conformance"]
    if not found:
        raise NotAcceptable("no run of the suite; write one with `embcheck run --out DIR`")
    for run in found:
        _check(run)
    for run in found:
        yield from (f"{_text(line)}\n" for line in _reduced(run))


def _check(run: Run) -> None:
    if run.partial:
        raise NotAcceptable(f"the run is partial: {run.doubts[0]}; run again, to its end")
    if not all(case.fingerprint for case in run.cases.values()):
        raise NotAcceptable("the record is of an older embcheck; run again")


def _reduced(run: Run) -> Iterator[Line]:
    # In the order of names, so that a commit shows only the lines of what changed.
    results = sorted(run.results, key=lambda result: (result.case, result.backend))
    yield replace(run.header, planned=len(results))
    yield from (_case(run.cases[name]) for name in sorted(run.cases))
    yield from map(_result, results)
    if run.footer is not None:
        counts = dict(Counter(result.outcome for result in results))
        yield RunFooter(run.footer.finished, 0, run.footer.exit_code, counts)


def _case(case: CaseLine) -> CaseLine:
    """Return a case with its id, level and operation; its fingerprint stands for the rest."""
    operation = {key: case.call[key] for key in ("operation",) if key in case.call}
    return CaseLine(
        case.case, "", "", (), case.level, "", operation, None, fingerprint=case.fingerprint
    )


def _result(result: ResultLine) -> ResultLine:
    known = result.deviation
    return ResultLine(
        result.case,
        (),
        result.level,
        result.backend,
        result.outcome,
        result.kind,
        # Addresses and times would change the line of a result that did not change.
        normalise(str(result.message)),
        0,
        reading=result.reading,
        deviation=known and KnownDeviation(known.category, known.happens, ""),
    )


def _text(line: Line) -> str:
    """Return a line of the file; empty mappings are left out."""
    fields = {key: value for key, value in to_plain(line).items() if value != {}}
    return json.dumps({"type": line.type, **fields}, allow_nan=False)

"""Turn clauses, cases and verdicts into lines of a results file."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import cast

import numpy as np

from embcheck.conformance.execution.judging.deviations import Deviation
from embcheck.conformance.execution.judging.shown import decode_text
from embcheck.conformance.execution.judging.verdict import Verdict
from embcheck.conformance.execution.protocol.bounded import NAME, TEXT, bounded
from embcheck.conformance.execution.run_case import CaseResult
from embcheck.conformance.records.lines import (
    CaseLine,
    ClauseLine,
    Described,
    KnownDeviation,
    ResultLine,
)
from embcheck.conformance.suite.arrays import describe_array
from embcheck.conformance.suite.model import Case, Clause

_TOLD_OF_CLAUSES = {one.name for one in fields(ClauseLine)}


def clause_line(clause: Clause) -> ClauseLine:
    """Turn a clause into a line."""
    # Without the fields that a record does not need: sentences and place.
    told = {name: value for name, value in vars(clause).items() if name in _TOLD_OF_CLAUSES}
    return ClauseLine(**{**told, "level": str(clause.level)})


def case_line(case: Case, behaviour: str) -> CaseLine:
    """Turn a case into a line."""
    return CaseLine(
        case=case.id,
        title=case.title,
        behaviour=behaviour,
        clauses=tuple(clause.id for clause in case.clauses),
        level=str(case.level),
        where=case.where,
        fingerprint=case.fingerprint,
        **case.description,
    )


def result_line(
    case: Case, backend: str, result: CaseResult, verdict: Verdict, deviation: Deviation | None
) -> ResultLine:
    """Turn a result into a line, with its verdict and the known deviation that explains it.

    The result must come from `described`, or the line has no observations.
    """
    return ResultLine(
        case=case.id,
        clauses=tuple(clause.id for clause in case.clauses),
        level=str(case.level),
        backend=backend,
        outcome=str(verdict.outcome),
        kind=str(verdict.kind) if verdict.kind else None,
        message=verdict.message,
        seconds=round(result.seconds, 6),
        backend_seconds=round(result.backend_seconds, 6),
        silent=verdict.kind.silent if verdict.kind else None,
        reading=verdict.reading.text if verdict.reading else None,
        reading_word=verdict.reading.word if verdict.reading else None,
        observed={name: cast("Described", what) for name, what in result.described.items()},
        deviation=_known(deviation) if deviation else None,
        bound_width=_few_digits(verdict.bound_width),
        helped=result.helped,
        notes=verdict.notes,
    )


def described(result: CaseResult) -> CaseResult:
    """Replace a result's arrays by descriptions, to free memory: a run has thousands of results."""
    found = {
        bounded(name, NAME): _describe_observed(name, array)
        for name, array in result.verdict.observed.items()
    }
    return replace(result, verdict=replace(result.verdict, observed={}), described=found)


def _describe_observed(name: str, array: np.ndarray) -> Described:
    if not name.endswith("_text"):
        return cast("Described", describe_array(array))
    # Cut before decoding, since a backend may return gigabytes.
    text = decode_text(array.reshape(-1)[:TEXT])
    return {"text": f"{text}... ({array.size:,} bytes, cut)" if array.size > TEXT else text}


def _known(deviation: Deviation) -> KnownDeviation:
    return KnownDeviation(category=deviation.category, **asdict(deviation))


WIDEST_TOLD = 1e9
"""The largest width in a record, also for larger ones, since JSON has no infinity."""


def _few_digits(width: float | None) -> float | None:
    """Round a width to three significant digits."""
    return None if width is None else float(f"{min(width, WIDEST_TOLD):.3g}")

"""Cases and verdicts as lines of a results file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from embcheck.conformance.execution.deviations import Deviation
from embcheck.conformance.execution.judge import Verdict, decode_text
from embcheck.conformance.execution.run_case import CaseResult
from embcheck.conformance.records.lines import CaseLine, ClauseLine, ResultLine
from embcheck.conformance.suite.arrays import describe_array, named_specials
from embcheck.conformance.suite.model import (
    Case,
    Clause,
    Expected,
    FromReference,
    Observes,
    Rejects,
    Returns,
    Structure,
    Text,
    Values,
)


def clause_line(clause: Clause) -> ClauseLine:
    """Turn a clause into a line."""
    return ClauseLine(**{**vars(clause), "level": str(clause.level)})


def case_line(case: Case, behaviour: str) -> CaseLine:
    """Turn a case into a line."""
    expectation = case.expectation
    rejects = expectation if isinstance(expectation, Rejects) else None
    observes = expectation if isinstance(expectation, Observes) else Observes()
    return CaseLine(
        case=case.id,
        title=case.title,
        behaviour=behaviour,
        clauses=tuple(clause.id for clause in case.clauses),
        level=str(case.level),
        where=case.where,
        call=case.spec.describe(),
        expected=_expected(expectation.observations) if isinstance(expectation, Returns) else None,
        control=rejects.control.describe() if rejects else None,
        control_expected=_expected(rejects.control_returns.observations) if rejects else None,
        readings={
            name: _expected(returns.observations) for name, returns in observes.readings.items()
        },
        pytorch=observes.pytorch,
        parameters={name: named_specials(value) for name, value in case.parameters.items()},
    )


def result_line(
    case: Case, backend: str, result: CaseResult, verdict: Verdict, deviation: Deviation | None
) -> ResultLine:
    """Turn a result, its verdict explained, into a line; what came is described where it helps."""
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
        reading=verdict.reading,
        observed={name: _describe_observed(name, a) for name, a in verdict.observed.items()},
        deviation=deviation.describe() if deviation else None,
    )


def _describe_observed(name: str, array: np.ndarray) -> dict[str, Any]:
    return {"text": decode_text(array)} if name.endswith("_text") else describe_array(array)


def _expected(observations: Mapping[str, Expected]) -> dict[str, Any]:
    return {name: _describe(expected) for name, expected in observations.items()}


def _describe(expected: Expected) -> dict[str, Any]:
    if isinstance(expected, Values):
        return describe_array(expected.array)
    if isinstance(expected, Text):
        return {"text": expected.text}
    if isinstance(expected, FromReference):
        return {"reference": "numpy-reference"}
    return _describe_structure(expected)


def _describe_structure(expected: Structure) -> dict[str, Any]:
    return {
        "shape": list(expected.shape),
        "dtype": expected.dtype.name,
        "at": [
            {"position": list(position), "values": describe_array(values)["values"]}
            for position, values in expected.at
        ],
        "equal": [[list(position) for position in group] for group in expected.equal],
        "nonzero": [list(position) for position in expected.nonzero],
    }

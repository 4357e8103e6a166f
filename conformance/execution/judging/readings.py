"""Say in a word or two what an implementation-defined call did: the ledger's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.execution.judging.judge import judge_observation, known_values
from embcheck.conformance.execution.judging.rows import (
    RowReading,
    RowWord,
    holds_foreign_values,
    row_readings,
)
from embcheck.conformance.execution.judging.terms import unit_roundoff
from embcheck.conformance.execution.same import equal
from embcheck.conformance.suite.model import (
    Expected,
    FromReference,
    Observes,
    Returns,
    Tolerance,
    Values,
)

ROUNDINGS = 8
"""How many unit roundoffs a stated reading may be off."""


def read(
    call: Call,
    arrays: Mapping[str, np.ndarray],
    observes: Observes,
    tolerance: Tolerance | None = None,
) -> RowReading:
    """Return the first stated reading that fits the answer.

    If none fits, return the reading that all observations share, else `other`.
    """
    for name, returns in observes.readings.items():
        if _fits(call, arrays, returns, tolerance):
            return RowReading(name, RowWord(name) if name in set(RowWord) else None)
    names = [name for name in call.observe if name != Observation.INPUTS_AFTER]
    found = {
        recognise(call, name, arrays[name]) if name in arrays else said(RowWord.OTHER)
        for name in names
    }
    return found.pop() if len(found) == 1 else said(RowWord.OTHER)


def recognise(call: Call, name: str, array: np.ndarray) -> RowReading:
    """Name what an observation holds, by the call alone; `other` if several names would fit."""
    if not array.size:
        return said(RowWord.OTHER)
    found = row_readings(call, name, array)
    # Added to the rows: if the table has a row of zeros, neither name is certain.
    blanks = ((RowWord.ZEROS, 0), (RowWord.NAN, np.nan))
    found += [said(word) for word, value in blanks if equal(array, value).all()]
    if not found and holds_foreign_values(call, name, array):
        return said(RowWord.FOREIGN)
    return found[0] if len(found) == 1 else said(RowWord.OTHER)


def said(word: RowWord) -> RowReading:
    """Return the reading of a single word."""
    return RowReading(str(word), word)


def _fits(
    call: Call, arrays: Mapping[str, np.ndarray], returns: Returns, tolerance: Tolerance | None
) -> bool:
    for name, wanted in returns.observations.items():
        if isinstance(wanted, FromReference):  # The reference is asked no undefined call.
            return False
        known = known_values(name, wanted, {})
        slack = tolerance or _slack(known)
        if judge_observation(name, known, call, arrays, slack, is_reading=True) is not None:
            return False
    return True


def _slack(wanted: Expected) -> Tolerance:
    """Allow a few roundings: the bounds of a documented result do not hold for undefined calls."""
    roundoff = unit_roundoff(wanted.array.dtype) if isinstance(wanted, Values) else 0.0
    return Tolerance("a few roundings", rtol=ROUNDINGS * roundoff)

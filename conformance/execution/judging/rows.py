"""Recognise rows of the caller's table in an answer, and say how an index could have led there.

Only calls with a single index are looked at: with several, a sum may equal a row by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.execution.same import equal

NUMBERS = 2**32
"""How many numbers 32 bits hold."""


class RowWord(StrEnum):
    """What an implementation-defined call did: the ledger's vocabulary."""

    RAISES = "raises"
    CLAMPS = "clamps"
    WRAPS = "wraps"
    ANOTHER_ROW = "another row"
    ROW = "row N"
    ZEROS = "zeros"
    NAN = "NaN"
    FOREIGN = "foreign values"
    OTHER = "other"


@dataclass(frozen=True)
class RowReading:
    """What a call did, in words; `word` is None if the case states its own words for it."""

    text: str
    word: RowWord | None


def explanations(index: int, rows: int) -> dict[RowReading, int]:
    """Map each way in which an index outside of a table may become a row to that row."""
    nearest = 0 if index < 0 else rows - 1
    clamped = "clamps to row 0" if index < 0 else "clamps to the last row"
    ways = {
        RowReading(clamped, RowWord.CLAMPS): nearest,
        RowReading(f"wraps (row {index % rows})", RowWord.WRAPS): index % rows,
    }
    # The value of a 64-bit index that is cut to a signed one of 32 bits.
    narrowed = (index + NUMBERS // 2) % NUMBERS - NUMBERS // 2
    if narrowed != index and -rows <= narrowed < rows:
        row = narrowed % rows
        ways[RowReading(f"wraps modulo 2**32 (row {row})", RowWord.WRAPS)] = row
    return ways


def row_readings(call: Call, name: str, array: np.ndarray) -> list[RowReading]:
    """Return a reading for each row of the table that the answer shows; empty if it shows none."""
    table = _table(call)
    if table is None or table.ndim != 2 or call.inputs["indices"].size != 1:
        return []
    return [_reading(call, len(table), row) for row in _rows_shown(call, name, array, table)]


def holds_foreign_values(call: Call, name: str, array: np.ndarray) -> bool:
    """Whether an output that can only copy has a finite number, not 0, that the table lacks."""
    table = _table(call)
    is_lookup = table is not None and call.operation is not Operation.ONE_HOT
    if not is_lookup or name != Observation.OUTPUT or not _copies(call):
        return False
    values, known = array.astype(np.complex128), np.asarray(table).astype(np.complex128)
    return bool((np.isfinite(values) & (values != 0) & ~np.isin(values, known)).any())


def _table(call: Call) -> np.ndarray | None:
    """Return what rows are taken from: the weight, or for one_hot the identity; None for probes."""
    if call.operation is Operation.PROBE:
        return None
    if call.operation is Operation.ONE_HOT:
        classes = call.option("num_classes")
        return np.eye(int(classes)) if classes > 0 else None
    return call.inputs.get("weight")


def _copies(call: Call) -> bool:
    """Whether every element of the output is by definition one of the table's."""
    if call.option("max_norm") is not None or "per_sample_weights" in call.inputs:
        return False
    reduces = call.operation.is_bag and call.option("mode") != "max"
    return not reduces or call.inputs["indices"].size == 1


def _rows_shown(call: Call, name: str, array: np.ndarray, table: np.ndarray) -> list[int]:
    if name == Observation.OUTPUT:
        is_row = _copies(call) and array.size == table.shape[1]
        return [k for k, row in enumerate(table) if is_row and equal(array.reshape(-1), row).all()]
    if array.shape != table.shape:
        return []
    if name == Observation.GRAD_WEIGHT:
        upstream = call.inputs.get("grad_output", np.ones(table.shape[1])).reshape(-1)
        touched = [k for k, row in enumerate(array) if not equal(row, 0).all()]
        return touched if equal(array[touched], upstream).all() else []
    if name == Observation.WEIGHT_AFTER:
        return [k for k, row in enumerate(array) if not equal(row, table[k]).all()]
    return []


def _reading(call: Call, rows: int, row: int) -> RowReading:
    """Say how the call's index led to a row; name just the row if two ways lead there."""
    indices = call.inputs["indices"]
    # A floating or boolean index is no row number: only the row that is shown is named.
    index = int(indices.reshape(-1)[0]) if indices.dtype.kind in "iu" else row
    plain = RowReading(f"row {row}", RowWord.ROW)
    another = RowReading(f"another row ({row})", RowWord.ANOTHER_ROW)
    if 0 <= index < rows:
        return plain if index == row else another
    ways = [way for way, target in explanations(index, rows).items() if target == row]
    if not ways:
        return another
    return ways[0] if len(ways) == 1 else plain

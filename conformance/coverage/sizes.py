"""Measure the sizes of a call, axis by axis."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.coverage.scored import Made, counts_of, source_of
from embcheck.conformance.suite.model import CallSpec


class SizeAxis(StrEnum):
    """A dimension of a call's size."""

    ROWS = "rows"
    COLUMNS = "columns"
    POSITIONS = "positions"
    BAGS = "bags"
    ENTRIES = "entries"
    """The number of indices in a bag; a call has the sizes of all of its bags."""
    REPEATS = "repeats"
    """How often a row is named; a call has the sizes of all rows that it names."""
    CLASSES = "classes"


LOOKUP_AXES = (SizeAxis.ROWS, SizeAxis.COLUMNS, SizeAxis.POSITIONS, SizeAxis.REPEATS)
BAG_AXES = (
    SizeAxis.ROWS,
    SizeAxis.COLUMNS,
    SizeAxis.POSITIONS,
    SizeAxis.BAGS,
    SizeAxis.ENTRIES,
    SizeAxis.REPEATS,
)
ONE_HOT_AXES = (SizeAxis.POSITIONS, SizeAxis.CLASSES)
Sizes = dict[SizeAxis, frozenset[int]]


def sizes_of(spec: CallSpec, *, of_padding: bool = False) -> Sizes:
    """Measure a valid call; its arrays are made only if their shapes are not enough.

    If `of_padding` is true, only the repeats of the padding row count.
    """
    indices = source_of(spec, "indices")
    sizes = {SizeAxis.POSITIONS: frozenset({_size(indices)})}
    if spec.operation is Operation.ONE_HOT:
        return sizes | {SizeAxis.CLASSES: frozenset({_classes(spec, indices)})}
    rows, columns = source_of(spec, "weight").shape
    sizes |= {SizeAxis.ROWS: frozenset({rows}), SizeAxis.COLUMNS: frozenset({columns})}
    sizes[SizeAxis.REPEATS] = _padding_repeats(spec, rows) if of_padding else _repeats(indices)
    if spec.operation.is_bag:
        lengths = bag_lengths(spec)
        sizes |= {SizeAxis.BAGS: frozenset({len(lengths)}), SizeAxis.ENTRIES: _distinct(lengths)}
    return sizes


def bag_lengths(spec: CallSpec) -> np.ndarray:
    """Return the number of indices in each bag of a valid call, including padding."""
    indices = source_of(spec, "indices")
    if "offsets" not in spec.inputs:
        return np.full(indices.shape[0], indices.shape[1])
    ends = source_of(spec, "offsets").array().astype(np.int64)
    if not spec.option("include_last_offset"):
        ends = np.append(ends, _size(indices))
    return np.diff(ends)


def _classes(spec: CallSpec, indices: Made) -> int:
    stated = spec.option("num_classes")
    return int(stated) if stated >= 0 else int(indices.array().max()) + 1


def _repeats(indices: Made) -> frozenset[int]:
    return _distinct(counts_of(indices.array()))


def _padding_repeats(spec: CallSpec, rows: int) -> frozenset[int]:
    # A negative `padding_idx` counts from the end of the table.
    padding = int(spec.options["padding_idx"]) % rows
    return frozenset({int((source_of(spec, "indices").array() == padding).sum())})


def _distinct(counts: np.ndarray) -> frozenset[int]:
    return frozenset(np.unique(counts).tolist())


def _size(source: Made) -> int:
    return int(np.prod(source.shape, dtype=np.int64))

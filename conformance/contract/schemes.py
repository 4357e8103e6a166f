"""Schemes by which tables are stored in 8 or 4 bits, as their libraries document them.

All of a table, or each of its rows, shares a scale. Each element keeps a code, which names one of
the levels: evenly spaced numbers from the lowest to the highest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Group(StrEnum):
    """What shares a scale."""

    TABLE = "table"
    ROW = "row"


class Range(StrEnum):
    """What the levels of a group reach over."""

    SYMMETRIC = "symmetric"
    """From -max|x| to max|x|; 0 is a level."""
    AFFINE = "affine"
    """From min(x) to max(x), which are levels; 0 need not be one."""
    WITH_ZERO = "with-zero"
    """From min(x, 0) to max(x, 0), moved by half a step at most, so that 0 is a level."""


@dataclass(frozen=True)
class Scheme:
    """How the elements of a table are stored."""

    name: str
    bits: int
    group: Group
    range: Range
    source: str
    """The documentation of the library that defines it."""
    scale_dtype: str = "float32"
    """In which the scale, and the offset of an affine range, are kept."""

    @property
    def steps(self) -> int:
        """How many steps lie between the lowest level and the highest."""
        return int(2**self.bits) - (2 if self.range is Range.SYMMETRIC else 1)

    @property
    def keeps_zero(self) -> bool:
        """Whether 0 is a level of every group."""
        return self.range is not Range.AFFINE


_FBGEMM = "https://docs.pytorch.org/FBGEMM/fbgemm/cpp-api/QuantUtils.html"
_KERAS = "https://keras.io/api/quantization/"
_ONNX = "https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html"

SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("int8-row", 8, Group.ROW, Range.SYMMETRIC, _KERAS),
        Scheme("int8-table", 8, Group.TABLE, Range.SYMMETRIC, _ONNX),
        Scheme("uint8-table", 8, Group.TABLE, Range.WITH_ZERO, _ONNX),
        Scheme("uint8-row", 8, Group.ROW, Range.AFFINE, _FBGEMM),
        Scheme("uint4-row", 4, Group.ROW, Range.AFFINE, _FBGEMM, scale_dtype="float16"),
    )
}
"""By name: the dtype of a code, and what shares a scale."""


def ends_of(table: np.ndarray, scheme: Scheme) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest level of each element's group: two arrays of (V, 1).

    In float64, before they are rounded to the dtype in which the scheme keeps them.
    """
    wide = table.astype(np.float64)
    whole = (0, 1) if scheme.group is Group.TABLE else 1
    if not table.size:
        zeros = np.zeros((len(table), 1))
        return zeros, zeros
    lowest, highest = wide.min(whole, keepdims=True), wide.max(whole, keepdims=True)
    if scheme.range is Range.SYMMETRIC:
        highest = np.maximum(-lowest, highest)
        lowest = -highest
    if scheme.range is Range.WITH_ZERO:
        lowest, highest = np.minimum(lowest, 0.0), np.maximum(highest, 0.0)
    column = (len(table), 1)
    return np.broadcast_to(lowest, column), np.broadcast_to(highest, column)

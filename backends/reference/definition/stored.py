"""A table stored by a scheme: codes, and the levels that they name. Computed in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.schemes import SCHEMES, LevelGrid, Scheme, grids_of


@dataclass(frozen=True)
class Stored:
    """Codes (V, D) of a table, and the levels that they name; code 0 is the lowest number."""

    codes: np.ndarray
    numbers: np.ndarray
    grid: LevelGrid

    def levels(self, dtype: np.dtype[Any]) -> np.ndarray:
        """Turn the codes back into numbers."""
        levels = self.grid.offset + self.numbers[self.codes] * self.grid.scale
        return np.asarray(levels.astype(dtype))


def store(table: np.ndarray, scheme: Scheme) -> Stored:
    """Give each element the code of its nearest level.

    A group with an infinity or NaN has no levels, and its codes are arbitrary.
    """
    with np.errstate(invalid="ignore"):
        return _store(table, scheme)


def _store(table: np.ndarray, scheme: Scheme) -> Stored:
    grid, numbers = grids_of(table, scheme)[0], np.array(scheme.numbers)
    scale, offset = _kept(grid.scale, scheme), _kept(grid.offset, scheme)
    if scheme.keeps_zero:
        offset = np.rint(grid.offset / np.where(grid.scale == 0, 1.0, grid.scale)) * scale
    else:  # From the rounded lowest level to the highest level.
        highest = grid.offset + grid.scale * numbers[-1]
        scale = _kept((highest - offset) / numbers[-1], scheme)
    divisor = np.where(scale == 0, 1.0, scale)  # A group of equal numbers has one level.
    exact = (table.astype(np.float64) - offset) / divisor
    if numbers[-1] - numbers[0] == len(numbers) - 1:  # Whole numbers, without a gap.
        codes = np.clip(np.rint(exact), numbers[0], numbers[-1]) - numbers[0]
    else:
        codes = np.searchsorted((numbers[1:] + numbers[:-1]) / 2, exact)
    codes = np.nan_to_num(codes)
    return Stored(codes.astype(np.intp), numbers, LevelGrid(offset, scale))


def _kept(values: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Round to the dtype in which the scheme keeps scales and offsets."""
    return values.astype(scheme.scale_dtype).astype(np.float64)


def stored_call(call: Call) -> tuple[Call, dict[str, np.ndarray]]:
    """Return the call on the dequantised table, and the observations of the stored table."""
    name, table = call.option("scheme"), call.inputs["weight"]
    if name not in SCHEMES:
        raise ValueError(f"there is no scheme {name!r}")
    stored = store(table, SCHEMES[name])
    levels = stored.levels(table.dtype)
    seen = {"stored_weight": levels, "same_when_loaded": np.array(True)}
    if call.wants("same_codes_again"):
        again = store(levels, SCHEMES[name])
        seen["same_codes_again"] = np.array(np.array_equal(stored.codes, again.codes))
    plain = call.of_floats()
    return replace(plain, inputs={**plain.inputs, "weight": levels}), seen

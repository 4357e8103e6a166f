"""Tables that a spec gives as codes and scales, so that each element is exactly a level."""

from __future__ import annotations

from typing import Any

import numpy as np

from embcheck.conformance.contract.schemes import (
    SCHEMES,
    Scheme,
    ends_of,
    grids_of,
    groups_of,
)
from embcheck.conformance.suite.problems import ArraySpecError

MAX_ELEMENTS = 1_000_000
"""The most elements of such a table; it is limited because it is made while its spec is read."""


def scheme_named(name: str) -> Scheme:
    """Return the scheme of a name. Raise ArraySpecError if there is none."""
    if name not in SCHEMES:
        raise ArraySpecError(f"there is no scheme '{name}'", f"use one of {', '.join(SCHEMES)}")
    return SCHEMES[name]


def levels_of(
    scheme: Scheme,
    codes: np.ndarray,
    scales: np.ndarray,
    offsets: np.ndarray | None,
    dtype: np.dtype[Any],
) -> np.ndarray:
    """Return the table (V, D) of the level `offset + number * scale` of each code.

    Code 0 is the scheme's lowest number. A backend is given only the table, and chooses scales and
    offsets itself. So ArraySpecError is raised if a level is not exact in the dtype, or if the
    scheme would choose another scale or offset for the table.
    """
    if codes.ndim != 2:
        raise ArraySpecError(f"codes have {codes.ndim} dimensions", "write a list of rows")
    highest = len(scheme.numbers) - 1
    if codes.size and not 0 <= codes.min() <= codes.max() <= highest:
        what = f"a code of {scheme.name} is below 0 or above {highest}"
        raise ArraySpecError(what, "count the levels from the lowest one, which is 0")
    shape = scheme.scales_shape(*codes.shape)
    offsets = np.zeros(shape) if offsets is None else offsets
    for name, given in (("scales", scales), ("offsets", offsets)):
        if given.shape != shape:
            what = f"`{name}` has shape {list(given.shape)}, but {scheme.name} needs {list(shape)}"
            raise ArraySpecError(what, "give one number for each group")
        if (given != given.astype(scheme.scale_dtype)).any():
            what = f"`{name}` holds a number that is not exact in {scheme.scale_dtype}"
            raise ArraySpecError(
                what, f"{scheme.name} keeps it in that dtype: write one that is exact"
            )
    groups = groups_of(codes.shape, scheme)
    scale, offset = scales.reshape(-1)[groups], offsets.reshape(-1)[groups]
    wide = offset + np.array(scheme.numbers)[codes] * scale
    levels: np.ndarray = wide.astype(dtype)
    if (levels != wide).any():
        what = f"the level {wide[levels != wide].flat[0]} is not exact in {dtype}"
        raise ArraySpecError(what, "choose scales and offsets that give exact levels")
    _check_grid(levels, scheme, scale, offset, groups)
    return levels


def _check_grid(
    levels: np.ndarray, scheme: Scheme, scale: np.ndarray, offset: np.ndarray, groups: np.ndarray
) -> None:
    """Refuse a group that the scheme would give another scale or offset."""
    lowest, highest = ends_of(levels, scheme)
    # If all elements of a group are equal, and are 0 or the offset itself, any scale will do.
    is_kept = (lowest == highest) & ((lowest == 0) | (not scheme.keeps_zero))
    for grid in grids_of(levels, scheme):
        is_kept |= (grid.scale == scale) & (grid.offset == offset)
    if not is_kept.all():
        what = f"{scheme.name} gives group {groups[~is_kept][0]} another scale or offset"
        raise ArraySpecError(what, "give each group the extreme codes that its scale follows from")

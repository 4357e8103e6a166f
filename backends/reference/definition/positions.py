"""Which rows a call reduces, and into which bags.

Every entry of the indices is a position; it names a row of the weight, belongs to a bag, and
enters the bag with a factor. A lookup is the case where every position is a bag of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embcheck.backends.reference.definition.arguments import check_bag_options
from embcheck.conformance.contract.call import Call


@dataclass(frozen=True)
class Positions:
    """For each position that is reduced: its row, bag, factor and place in the input."""

    rows: np.ndarray
    bags: np.ndarray
    factors: np.ndarray
    places: np.ndarray
    bag_count: int

    @property
    def bag_sizes(self) -> np.ndarray:
        """How many positions each bag has."""
        return np.bincount(self.bags, minlength=self.bag_count)


def lookup(call: Call) -> Positions:
    """Make every entry of the indices a bag of its own."""
    rows = call.inputs["indices"].reshape(-1)
    places = np.arange(rows.size)
    return Positions(rows, places, np.ones(rows.size), places, rows.size)


def bag_positions(call: Call, weight: np.ndarray, mode: str) -> Positions:
    """Divide the indices into bags, without those behind the last bag."""
    indices, offsets = call.inputs["indices"], call.inputs.get("offsets")
    check_bag_options(call, weight, mode)
    if indices.ndim == 2:
        if offsets is not None:
            raise ValueError("2-D indices are bags already: offsets must be absent")
        starts = np.arange(len(indices) + 1) * indices.shape[1]
    else:
        starts = _bag_starts(call, indices.size)
    # Indices behind the last bound are in no bag.
    places = np.arange(starts[-1])
    bags = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    factors = call.inputs.get("per_sample_weights", np.ones(indices.shape)).reshape(-1)
    return Positions(
        indices.reshape(-1)[places],
        bags,
        factors.astype(np.float64)[places],
        places,
        len(starts) - 1,
    )


def _bag_starts(call: Call, size: int) -> np.ndarray:
    """Return where each bag starts, and where the last one ends."""
    indices, offsets = call.inputs["indices"], call.inputs.get("offsets")
    if indices.ndim != 1:
        raise ValueError(f"indices of bags must have 1 or 2 dimensions, not {indices.ndim}")
    if offsets is None or offsets.ndim != 1:
        raise ValueError("1-D indices need 1-D offsets")
    if offsets.dtype not in (np.int32, np.int64):
        raise TypeError(f"offsets must be int32 or int64, not {offsets.dtype}")
    if offsets.dtype != indices.dtype:
        raise TypeError(f"offsets of {offsets.dtype} do not go with indices of {indices.dtype}")
    if call.option("include_last_offset"):
        if not offsets.size:
            raise ValueError("include_last_offset needs at least one offset")
        starts = offsets
    elif size and not offsets.size:
        raise ValueError(f"the {size} indices belong to no bag")
    else:
        starts = np.append(offsets, size)
    if starts[0] != 0 and offsets.size:
        raise ValueError("the first offset must be 0")
    if starts[-1] > size or (np.diff(starts) < 0).any():
        raise ValueError(f"offsets must not decrease nor exceed the {size} indices")
    return starts if offsets.size else np.zeros(1, np.int64)


def without_padding(positions: Positions, padding: int | None) -> Positions:
    """Leave out the positions that name the padding row."""
    if padding is None:
        return positions
    keep = positions.rows != padding
    return Positions(
        positions.rows[keep],
        positions.bags[keep],
        positions.factors[keep],
        positions.places[keep],
        positions.bag_count,
    )

"""A table stored by a scheme: codes, and the levels that they name. Computed in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.schemes import SCHEMES, Scheme, ends_of


@dataclass(frozen=True)
class Stored:
    """Codes (V, D), whole numbers from 0; code 0 is the lowest level of each group, (V, 1)."""

    codes: np.ndarray
    lowest: np.ndarray
    scale: np.ndarray

    def levels(self, dtype: np.dtype[Any]) -> np.ndarray:
        """Turn the codes back into numbers."""
        levels: np.ndarray = (self.lowest + self.codes * self.scale).astype(dtype)
        return levels


def store(table: np.ndarray, scheme: Scheme) -> Stored:
    """Give each element the code of its nearest level."""
    lowest, highest = ends_of(table, scheme)
    if not scheme.keeps_zero:
        lowest = _kept(lowest, scheme)
    scale = _kept((highest - lowest) / scheme.steps, scheme)
    divisor = np.where(scale > 0, scale, 1.0)  # A group of equal numbers has one level.
    if scheme.keeps_zero:
        lowest = np.rint(lowest / divisor) * scale
    codes = np.rint((table.astype(np.float64) - lowest) / divisor)
    return Stored(np.clip(codes, 0, scheme.steps), lowest, scale)


def _kept(values: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Round to the dtype in which the scheme keeps scales and lowest levels."""
    return values.astype(scheme.scale_dtype).astype(np.float64)


def stored_call(call: Call) -> tuple[Call, dict[str, np.ndarray]]:
    """Return the same call on the stored table, and what there is to see of that table."""
    name, table = call.option("scheme"), call.inputs["weight"]
    if name not in SCHEMES:
        raise ValueError(f"there is no scheme {name!r}")
    stored = store(table, SCHEMES[name])
    levels = stored.levels(table.dtype)
    again = store(levels, SCHEMES[name])
    seen = {
        "stored_weight": levels,
        "same_codes_again": np.array(np.array_equal(stored.codes, again.codes)),
        "same_when_loaded": np.array(True),
    }
    plain = call.of_floats()
    return replace(plain, inputs={**plain.inputs, "weight": levels}), seen

"""Conversion of an answer to NumPy, for libraries that have arrays of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import inputs_after


def brought_home(
    answer: tuple[Mapping[str, Any], Mapping[str, Any]], to_array: Callable[[Any], np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the observations, and the inputs that the caller finds, as NumPy arrays."""
    observed, found = ({name: to_array(a) for name, a in part.items()} for part in answer)
    return {**inputs_after(found), **observed}

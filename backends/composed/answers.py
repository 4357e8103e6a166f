"""How an answer comes home from a library: the same for all that have arrays of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import inputs_after


def brought_home(
    answer: tuple[Mapping[str, Any], Mapping[str, Any]], to_array: Callable[[Any], np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what was observed, and the inputs that the caller finds, as NumPy's arrays."""
    observed, found = ({name: to_array(a) for name, a in part.items()} for part in answer)
    return {**inputs_after(found), **observed}

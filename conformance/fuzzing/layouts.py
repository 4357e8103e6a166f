"""Memory layouts in generated calls."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from embcheck.conformance.contract.call import TRAINING_OBSERVATIONS
from embcheck.conformance.contract.options import read_option
from embcheck.conformance.suite.layouts import LAYOUTS

NAMES = tuple(name for name in LAYOUTS if name != "contiguous")
IN_PLACE = tuple(name for name in NAMES if name not in ("expanded", "readonly"))
"""Layouts of a weight that the call may write to."""


def layouts_for(
    name: str, options: Mapping[str, object], observe: tuple[str, ...]
) -> tuple[str, ...]:
    """List the layouts that an input may have; offsets are never `expanded`, that is, all equal."""
    if name == "weight":
        shortens = read_option(options, "max_norm") is not None
        writes = shortens or set(observe) & TRAINING_OBSERVATIONS
        return IN_PLACE if writes else NAMES
    if name == "grad_output":
        # Most often expanded: the gradient of a sum has one number, which PyTorch expands.
        return NAMES + ("expanded",) * 4
    return tuple(n for n in NAMES if n != "expanded") if name == "offsets" else NAMES


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """Return an array in a layout; `expanded` repeats its first row."""
    if layout == "expanded":
        if not array.ndim or not array.size:
            return array
        array = np.broadcast_to(array[:1], array.shape)
    return LAYOUTS[layout](array)

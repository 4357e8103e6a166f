"""Arrays of a backend as text, in messages and records."""

from __future__ import annotations

import numpy as np

SHOWN = 12
"""How many elements of an array are shown in a message."""
PLAIN_AXES = 3
"""An array with more axes is shown by its first elements: NumPy would shorten it along each
axis."""


def decode_text(array: np.ndarray) -> str:
    """Read UTF-8 bytes that came from a backend; invalid ones are replaced."""
    return array.astype(np.uint8).tobytes().decode("utf-8", "replace")


def short(array: np.ndarray) -> str:
    """Write an array in one line, the middle of a long one left out."""
    if array.ndim > PLAIN_AXES and array.size > SHOWN:
        array = array.reshape(-1)[:SHOWN]
        return f"{short(array)[:-1]}, ...]"
    text = np.array2string(array, separator=", ", threshold=SHOWN, max_line_width=10_000)
    return text.replace("\n", "")

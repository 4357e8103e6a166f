"""Whether each call computes its answer anew, as far as a worker can see."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.execution.inside.attempt import Reply
from embcheck.conformance.execution.inside.held_call import Held

READINGS = 3
FEW = 32
"""With fewer indices than this, there are too few pairs to exchange a new one each time."""


def fresh_calls(held: Held, header: Mapping[str, Any]) -> Reply:
    """Time calls, before each of which indices are written: new ones, or the same ones again.

    The header's `order` says which, and `whole` whether all indices are written or two. New indices
    are rows that are looked up anyway, so that they are in the caches. Only if there are few
    indices, one of them becomes any row of the table.
    """
    held = replace(held)  # A copy: the held call is judged by its own answers.
    indices = held.call.inputs["indices"].reshape(-1)
    before, rows = indices.copy(), len(held.call.inputs["weight"])
    draw, seconds = np.random.default_rng(header["seed"]), []
    held.run()
    try:
        for is_new in header["order"]:
            places, values = _renewed(indices, rows, draw, whole=header["whole"])
            # Written in both cases, so that the calls differ only in the indices.
            indices[places] = values if is_new else indices[places]
            held.run()
            seconds.append(held.seconds)
    finally:
        indices[:] = before
    return {"seconds": seconds}, {}


def _renewed(
    indices: np.ndarray, rows: int, draw: np.random.Generator, *, whole: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions among the indices, and the new indices for them."""
    if whole:
        return np.arange(indices.size), draw.permutation(indices)
    first = int(draw.integers(indices.size))
    # Exchanging two equal indices would change nothing.
    others = np.flatnonzero(indices != indices[first])
    if indices.size < FEW or not others.size:
        return np.array([first]), np.array([draw.integers(rows)], indices.dtype)
    pair = np.array([first, others[draw.integers(others.size)]])
    return pair, indices[pair[::-1]]


def reading_work(held: Held, _header: Mapping[str, Any]) -> Reply:
    """Return the CPU seconds of the first reading of answers, and of copying what was read."""
    held = replace(held)
    calls, readings, copies = [], [], []
    for _ in range(READINGS):
        held.run()
        calls.append(held.seconds)
        begun = time.process_time()
        home = held.home()
        read = time.process_time()
        kept = [array.copy() for array in home.values()]
        copies.append(time.process_time() - read)
        readings.append(read - begun)
        del kept
    told = {"call_seconds": calls, "read_cpu_seconds": readings, "copy_cpu_seconds": copies}
    return told, {}


LOOKS: Mapping[str, Callable[[Held, Mapping[str, Any]], Reply]] = {
    "fresh_calls": fresh_calls,
    "reading_work": reading_work,
}

"""Whether each call computes its answer itself: what can be seen of that in a worker."""

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
"""Indices; so few have not enough pairs to be new each time."""


def fresh_calls(held: Held, header: Mapping[str, Any]) -> Reply:
    """Time calls, before each of which indices are written: new ones, or those that are there.

    The header's `order` says which, and `whole` whether they are all written, or two. Each is a row
    that is looked up anyway, so that the caches have it; only where there are few indices, a new
    one is any row of the table.
    """
    held = replace(held)  # The answers of a look are not those that the held call is judged by.
    indices = held.call.inputs["indices"].reshape(-1)
    before, rows = indices.copy(), len(held.call.inputs["weight"])
    draw, seconds = np.random.default_rng(header["seed"]), []
    held.run()
    try:
        for is_new in header["order"]:
            places, values = _renewed(indices, rows, draw, whole=header["whole"])
            # Written in both cases, so that the calls differ in what is there, and in no work.
            indices[places] = values if is_new else indices[places]
            held.run()
            seconds.append(held.seconds)
    finally:
        indices[:] = before
    return {"seconds": seconds}, {}


def _renewed(
    indices: np.ndarray, rows: int, draw: np.random.Generator, *, whole: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Choose places among the indices, and what shall stand there so that they are new."""
    if whole:
        return np.arange(indices.size), draw.permutation(indices)
    first = int(draw.integers(indices.size))
    # Two indices of one row would be the same indices once they are exchanged.
    others = np.flatnonzero(indices != indices[first])
    if indices.size < FEW or not others.size:
        return np.array([first]), np.array([draw.integers(rows)], indices.dtype)
    pair = np.array([first, others[draw.integers(others.size)]])
    return pair, indices[pair[::-1]]


def reading_work(held: Held, _header: Mapping[str, Any]) -> Reply:
    """Tell the CPU seconds that answers take to be read, each for the first time, and copied."""
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

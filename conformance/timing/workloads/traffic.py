"""The bytes that a call moves, counted in three ways from its arrays.

- *logical*: each row as often as it is looked up; indices, offsets, weights, output;
- *line-padded*: the same, but whole cache lines for each row;
- *compulsory*: each row once: the minimum that any implementation must move.

A gradient or a training step adds what it reads and writes: the upstream gradient, and either the
whole dense gradient or the rows that are trained. A row of a stored table has the bytes of its
codes and of its scales; its output is floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from embcheck.conformance.contract.call import TRAINING_OBSERVATIONS, Call, Observation
from embcheck.conformance.contract.schemes import SCHEMES

LINE_BYTES = 64


@dataclass(frozen=True)
class Traffic:
    """Bytes of a call, and the bytes of the distinct rows that it touches."""

    logical: float
    padded: float
    compulsory: float
    touched: float


def traffic(call: Call) -> Traffic:
    """Count a call's bytes; assumes that the table is aligned to cache lines."""
    weight, indices = call.inputs["weight"], call.inputs["indices"].reshape(-1)
    # They differ for a stored table, whose output and gradients are floats.
    row, of_floats = row_bytes(call), weight.shape[1] * weight.itemsize
    rows = np.unique(indices)
    lines = _padded_bytes(indices, math.ceil(row))
    rest = sum(
        array.nbytes for name, array in call.inputs.items() if name not in ("weight", "grad_output")
    )
    output = output_rows(call) * of_floats
    rest += output
    # The backward pass visits each row again, and reads an upstream gradient as large as the
    # output.
    visits = 1
    if call.wants(Observation.GRAD_WEIGHT):
        rest += output + weight.nbytes
        visits = 2
    if call.wants(*TRAINING_OBSERVATIONS):
        rest += output
        visits = 2
    return Traffic(
        logical=visits * indices.size * row + rest,
        padded=visits * lines + rest,
        compulsory=visits * rows.size * row + rest,
        touched=float(rows.size * row),
    )


def mean_traffic(calls: Iterable[Call]) -> Traffic:
    """Return the mean over the calls that are timed in turn; `touched` counts their rows once."""
    calls = list(calls)
    each = [traffic(call) for call in calls]
    rows = np.unique(np.concatenate([call.inputs["indices"].reshape(-1) for call in calls]))
    return Traffic(
        logical=float(np.mean([found.logical for found in each])),
        padded=float(np.mean([found.padded for found in each])),
        compulsory=float(np.mean([found.compulsory for found in each])),
        touched=float(rows.size * row_bytes(calls[0])),
    )


def row_bytes(call: Call) -> float:
    """Return the bytes of one row of the table, as it is stored."""
    weight = call.inputs["weight"]
    if call.operation.is_quantized:
        return SCHEMES[call.option("scheme")].bytes_of(1, weight.shape[1])
    return float(weight.shape[1] * weight.itemsize)


def output_rows(call: Call) -> int:
    """Count the rows of a call's output: its bags, or its indices."""
    indices = call.inputs["indices"]
    if not call.operation.is_bag:
        return int(indices.size)
    if "offsets" in call.inputs:
        # With include_last_offset, the last offset ends the last bag, and begins none.
        return len(call.inputs["offsets"]) - bool(call.option("include_last_offset"))
    return len(indices)


def _padded_bytes(indices: np.ndarray, row: int) -> int:
    """Return the bytes of the cache lines that each looked-up row lies in."""
    # A product of 32-bit indices would overflow in a table of over 2 GiB.
    first = indices.astype(np.int64) * row
    lines = (first + row - 1) // LINE_BYTES - first // LINE_BYTES + 1
    return int(lines.sum()) * LINE_BYTES

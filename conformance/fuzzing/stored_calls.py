"""Hypothesis strategies for lookups in tables that are stored in 8 or 4 bits.

A call on a table of floats is drawn first, and then its table is replaced. The new table's width is
near that of a block. Its groups differ in magnitude, lie on one side of 0, have an outlier, or hold
one number. All numbers are finite and have magnitudes for which float16 has scales, so that each
scheme bounds what it loses. `max_norm` is left to the cases, because storing a row changes its
norm.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.operation import QUANTIZED
from embcheck.conformance.contract.options import taken_by
from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.fuzzing.calls import calls
from embcheck.conformance.fuzzing.invalid import spoiled

FILLS = ("plain", "large", "small", "above", "below", "outlier", "equal", "zeros")
"""The kinds of numbers that a part of a row holds."""
PART = 16
"""The columns of a part, if it is no whole block or row: half of the shortest block."""
_BESIDE = ("max_norm", "norm_type")


def stored_calls(
    operations: Collection[Operation], schemes: Collection[str]
) -> st.SearchStrategy[Call]:
    """Return a strategy for calls of these schemes; every fourth one has a mistake."""
    valid = _valid(operations, schemes)
    return st.one_of(valid, valid, valid, valid.flatmap(spoiled))


def stored_sequences(
    operations: Collection[Operation], schemes: Collection[str]
) -> st.SearchStrategy[tuple[Call, ...]]:
    """Return a strategy for three calls: one, one with another table or scheme, the first again."""
    valid = _valid(operations, schemes)
    return st.nothing() if valid.is_empty else _sequence(valid, sorted(set(schemes) & set(SCHEMES)))


def _valid(operations: Collection[Operation], schemes: Collection[str]) -> st.SearchStrategy[Call]:
    possible = [name for name in QUANTIZED if name in operations]
    known = sorted(set(schemes) & set(SCHEMES))
    if not possible or not known:
        return st.nothing()
    return _call(possible, known)


@st.composite
def _call(draw: st.DrawFn, operations: Sequence[Operation], schemes: Sequence[str]) -> Call:
    operation, scheme = draw(st.sampled_from(operations)), draw(st.sampled_from(schemes))
    # Gradients are left out, since a stored table has none, and NaN, since no level is near them.
    floats = calls(operations=(operation.of_floats,), observe=(), extreme=False)
    call = draw(floats)
    inputs = {
        name: np.asarray(array, np.float32) if array.dtype.kind in "fV" else array
        for name, array in call.inputs.items()
    }
    inputs["weight"] = draw(_tables(max(len(inputs["weight"]), 1), SCHEMES[scheme].block or PART))
    options = {
        name: value
        for name, value in taken_by(operation, call.options).items()
        if name not in _BESIDE
    }
    return replace(call, operation=operation, inputs=inputs, options={"scheme": scheme, **options})


@st.composite
def _tables(draw: st.DrawFn, rows: int, block: int) -> np.ndarray:
    widths = (block, 2 * block, 1, 2, 3, block - 1, block + 1, 2 * block + 2, 3 * block)
    columns = draw(st.sampled_from(widths))
    # From a seed: a table of blocks has too many numbers to draw each.
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    fills = draw(st.lists(st.sampled_from(FILLS), min_size=1, max_size=4))
    width = draw(st.sampled_from((PART, block, columns)))
    table = random.uniform(-1.0, 1.0, (rows, columns))
    for row in range(rows):
        for start in range(0, columns, width):
            fill = fills[int(random.integers(len(fills)))]
            part = table[row, start : start + width]
            part[:] = _filled(fill, part, random)
    return table.astype(np.float32)


def _filled(fill: str, part: np.ndarray, random: np.random.Generator) -> np.ndarray:
    place = random.integers(part.size)
    return {
        "plain": part,
        "large": 1000 * part,
        "small": part / 100,
        "above": part + 5,
        "below": part - 5,
        "outlier": np.where(np.arange(part.size) == place, 50 * part, part),
        "equal": np.full(part.shape, part[:1]),
        "zeros": np.zeros(part.shape),
    }[fill]


@st.composite
def _sequence(
    draw: st.DrawFn, valid: st.SearchStrategy[Call], schemes: Sequence[str]
) -> tuple[Call, ...]:
    first = draw(valid)
    if len(schemes) > 1 and draw(st.booleans()):
        scheme = draw(st.sampled_from(schemes))
        other = replace(first, options={**first.options, "scheme": scheme})
    else:
        # A table of the same size, with the rows in another order and their numbers halved.
        table = np.roll(first.inputs["weight"], 1, 0) * np.float32(0.5)
        other = replace(first, inputs={**first.inputs, "weight": table})
    return first, other, first

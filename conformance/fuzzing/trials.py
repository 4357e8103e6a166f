"""Trials: most are one small call; some are a large one, or several calls in a row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hypothesis import strategies as st

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.fuzzing.calls import OBSERVATIONS, OPERATIONS, calls
from embcheck.conformance.fuzzing.question import Trial
from embcheck.conformance.fuzzing.sketches import sequences, sketches
from embcheck.conformance.fuzzing.stored_calls import stored_calls, stored_sequences

SMALL, LARGE, SEQUENCE = 10, 4, 2
"""Shares of 16 trials on tables of floats."""
STORED, STORED_SEQUENCE = 4, 1
"""Shares beside those, if a backend looks up in stored tables."""


def trials(
    *,
    operations: Sequence[Operation] = OPERATIONS,
    observe: Collection[str] = OBSERVATIONS,
    schemes: Collection[str] = (),
) -> st.SearchStrategy[Trial]:
    """Return a strategy for trials of these operations, observations and schemes."""
    # A backend may declare stored tables only, and then has no strategy for the others.
    floats = [name for name in operations if not name.is_quantized]
    small = calls(operations=floats, observe=observe, only_valid=False) if floats else st.nothing()
    kinds: dict[str, st.SearchStrategy[Trial]] = {
        "small": small.map(lambda call: (call,)),
        "large": sketches(floats, observe).map(lambda sketch: (sketch,)),
        "sequence": sequences(floats, observe),
        "stored": stored_calls(operations, schemes).map(lambda call: (call,)),
        "stored sequence": stored_sequences(operations, schemes),
    }
    shares = {
        "small": SMALL,
        "large": LARGE,
        "sequence": SEQUENCE,
        "stored": STORED,
        "stored sequence": STORED_SEQUENCE,
    }
    # The first kind is the simplest, towards which Hypothesis shrinks.
    dealt = [
        kind for kind, share in shares.items() for _ in range(share) if not kinds[kind].is_empty
    ]
    return st.sampled_from(dealt).flatmap(lambda kind: kinds[kind]) if dealt else st.nothing()

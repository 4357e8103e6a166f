"""Trials: most are one small call; some are a large one, or several calls in a row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hypothesis import strategies as st

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.fuzzing.calls import OBSERVATIONS, OPERATIONS, calls
from embcheck.conformance.fuzzing.question import Trial
from embcheck.conformance.fuzzing.sketches import sequences, sketches

SMALL, LARGE, SEQUENCE = 10, 4, 2
"""Of 16 trials."""


def trials(
    *,
    operations: Sequence[Operation] = OPERATIONS,
    observe: Collection[str] = OBSERVATIONS,
) -> st.SearchStrategy[Trial]:
    """Return a strategy for trials of these operations and observations."""
    small = calls(operations=operations, observe=observe, only_valid=False)
    kinds: dict[str, st.SearchStrategy[Trial]] = {
        "small": small.map(lambda call: (call,)),
        "large": sketches(operations, observe).map(lambda sketch: (sketch,)),
        "sequence": sequences(operations, observe),
    }
    shares = {"small": SMALL, "large": LARGE, "sequence": SEQUENCE}
    # The first kind is the simplest, towards which Hypothesis shrinks.
    dealt = [
        kind for kind, share in shares.items() for _ in range(share) if not kinds[kind].is_empty
    ]
    return st.sampled_from(dealt).flatmap(lambda kind: kinds[kind])

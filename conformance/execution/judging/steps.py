"""Join the verdicts on a case's steps, which are calls of one process, into one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from embcheck.conformance.execution.judging.verdict import Outcome, Verdict

MOST_LABELS = 8
"""The most failed steps of a case that are named."""


def joined(verdicts: Sequence[tuple[str, Verdict]], planned: int) -> Verdict:
    """Join the verdicts on the steps of a case: the first failure counts, the others are named.

    A verdict other than a failure, such as a crash, ends the steps; it counts unless a step failed
    before. A step that could not be judged counts only if no other went wrong. `planned` is the
    number of all steps.
    """
    width = max((verdict.bound_width or 0.0 for _, verdict in verdicts), default=None)
    bad = [(label, verdict) for label, verdict in verdicts if verdict.outcome != Outcome.PASSED]
    bad.sort(key=lambda step: step[1].outcome is Outcome.OBSERVED)  # Stable: else in their order.
    if not bad:
        return replace(verdicts[-1][1], bound_width=width)
    label, first = bad[0]
    first = replace(first, bound_width=width)
    named = "; ".join(label for label, _ in bad[1:MOST_LABELS])
    more = f" and {len(bad) - MOST_LABELS} more" if len(bad) > MOST_LABELS else ""
    others = f" (also {named}{more})" if named else ""
    left = planned - len(verdicts)
    unasked = f"; {left} of {planned} steps were not asked" if left else ""
    return replace(first, message=f"{label}: {first.message}{others}{unasked}")

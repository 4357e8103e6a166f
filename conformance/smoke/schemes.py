"""By which scheme a table was stored, told by the levels in an answer.

A bound cannot tell: what is stored in more bits than a scheme has is within the scheme's bound too.
"""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.protocol.answers import Answer, Answered
from embcheck.conformance.smoke.misreadings import Trial

NEARER = 10
"""How many times nearer the levels of another scheme must be."""
APART = 1e-4
"""Of the largest number of a row: levels nearer to an answer than this are its own."""


def other_scheme(reference: WorkerClient, trial: Trial, answer: Answer) -> str | None:
    """Say by which other reading of the scheme an answer has its levels; None if by none."""
    # Near its own levels, it is stored as asked, however near another scheme's are.
    own = _distance(reference, trial.question.call, answer)
    if own is None or own < APART:
        return None
    found = {how: _distance(reference, call, answer) for how, call in trial.misreadings.items()}
    known = {how: far for how, far in found.items() if far is not None}
    how = min(known, key=lambda name: known[name])
    return how if known[how] * NEARER < own else None


def _distance(reference: WorkerClient, call: Call, answer: Answer) -> float | None:
    """Return the mean distance from what a call stores, each row by its largest number."""
    # The reference is asked to store the table here, and not, as elsewhere, for the table itself.
    ours = reference.ask(call)
    if not isinstance(ours, Answered) or not isinstance(answer, Answered):
        return None
    wanted, output = ours.arrays[Observation.OUTPUT], answer.arrays.get(Observation.OUTPUT)
    if output is None or output.shape != wanted.shape:
        return None
    sizes = np.maximum(np.abs(wanted).max(-1, keepdims=True), np.finfo(np.float32).tiny)
    return float(np.mean(np.abs(output.astype(np.float64) - wanted) / sizes))

"""The scheme by which a table was stored, as the numbers in an answer show it.

A bound cannot tell schemes apart: a table stored in more bits is within the bound, too.
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
"""Of a row's largest number. If the answer is this near to the wanted levels, it has them."""


def other_scheme(reference: WorkerClient, trial: Trial, answer: Answer) -> str | None:
    """Return the misreading of the scheme whose levels an answer has; None if there is none."""
    # Near the wanted levels, it is stored as asked, however near another scheme's levels are.
    own = _distance(reference, trial.question.call, answer)
    if own is None or own < APART:
        return None
    found = {how: _distance(reference, call, answer) for how, call in trial.misreadings.items()}
    known = {how: far for how, far in found.items() if far is not None}
    how = min(known, key=lambda name: known[name], default=None)
    return how if how is not None and known[how] * NEARER < own else None


def _distance(reference: WorkerClient, call: Call, answer: Answer) -> float | None:
    """Return the mean distance from what a call stores, relative to each row's largest number."""
    # Here the reference stores the table. Elsewhere it is asked on the table of floats.
    ours = reference.ask(call)
    if not isinstance(ours, Answered) or not isinstance(answer, Answered):
        return None
    wanted, output = ours.arrays[Observation.OUTPUT], answer.arrays.get(Observation.OUTPUT)
    if output is None or output.shape != wanted.shape:
        return None
    sizes = np.maximum(np.abs(wanted).max(-1, keepdims=True), np.finfo(np.float32).tiny)
    return float(np.mean(np.abs(output.astype(np.float64) - wanted) / sizes))

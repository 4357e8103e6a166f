"""Say in a word or two what an implementation-defined call did: the ledger's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.judge import judge_observation
from embcheck.conformance.suite.model import FromReference, Observes, Returns

RAISES = "raises"
OTHER = "other"


def read(call: Call, arrays: Mapping[str, np.ndarray], observes: Observes) -> str:
    """Return the name of the first stated reading that fits the answer, else `other`."""
    for name, returns in observes.readings.items():
        if _fits(call, arrays, returns):
            return name
    return OTHER


def _fits(call: Call, arrays: Mapping[str, np.ndarray], returns: Returns) -> bool:
    return all(
        not isinstance(wanted, FromReference)
        and judge_observation(name, wanted, call, arrays, None) is None
        for name, wanted in returns.observations.items()
    )

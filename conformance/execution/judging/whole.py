"""Exact sums of a whole call: whole numbers that are too small to be rounded in any order.

`Sums.are_exact` decides this for each element. This module decides it for a whole call at once,
which is faster. Large cases are made of such numbers.
"""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.execution.judging.terms import terms_of, unit_roundoff

_ROUNDS_NOTHING = ("padding_idx", "include_last_offset")
"""The options with a capability that round nothing; any other may round the terms of a sum, or the
sum."""


def adds_up_exactly(name: str, call: Call, dtype: np.dtype[np.generic]) -> bool:
    """Whether an output or gradient is a sum that nothing rounds; False if that is not known."""
    is_sum = not call.operation.is_bag or call.option("mode") == "sum"
    is_rounded = any(
        option.is_used(call.options)
        for option in OPTIONS.values()
        if option.capability is not None and option.name not in _ROUNDS_NOTHING
    )
    if not is_sum or is_rounded:
        return False
    if name == Observation.GRAD_WEIGHT:
        arrays = [call.inputs[n] for n in ("grad_output", "per_sample_weights") if n in call.inputs]
        owners = call.inputs["indices"].reshape(-1)
    elif name == Observation.OUTPUT and call.operation.is_bag:
        arrays = [call.inputs[n] for n in ("weight", "per_sample_weights") if n in call.inputs]
        owners = terms_of(call).bags
    else:
        return False
    most = np.bincount(owners).max(initial=0)
    largest = float(most)
    for array in arrays:
        values = array.astype(np.float64)
        if not (np.isfinite(values) & (values == np.trunc(values))).all():
            return False
        largest *= float(np.abs(values).max(initial=1.0))
    return largest <= 1 / unit_roundoff(dtype)

"""A call of a new shape: a cell's first trace with its last row or bag repeated."""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.timing.clock.gate import Oracle, Standard
from embcheck.conformance.timing.workloads.traces import Inputs


def longer_standard(inputs: Inputs, oracle: Oracle) -> Standard:
    """Return the call, and its output, derived from that of the first trace."""
    call = inputs.call(0)
    arrays = dict(call.inputs)
    if "offsets" in arrays:
        arrays |= _one_more_bag(call)
    else:
        arrays |= {name: _again(arrays[name]) for name in inputs.traces[0]}
    if "grad_output" in arrays:
        arrays["grad_output"] = _again(arrays["grad_output"])
    longer = Call(call.operation, arrays, call.options, call.observe)
    expected = oracle.traces[0].expected
    # The repeated row changes gradients, so that only the output follows from the first trace.
    known = {name: _again(array) for name, array in expected.items() if name == Observation.OUTPUT}
    return Standard(longer, known)


def _one_more_bag(call: Call) -> dict[str, np.ndarray]:
    offsets, count = call.inputs["offsets"], call.inputs["indices"].size
    # With include_last_offset the last number is where the last bag ends, not where it begins.
    begin = int(offsets[-2 if call.option("include_last_offset") else -1])
    more = count + (count - begin if call.option("include_last_offset") else 0)
    arrays = {
        name: np.concatenate([array, array[begin:]])
        for name, array in call.inputs.items()
        if name in ("indices", "per_sample_weights")
    }
    return {**arrays, "offsets": np.append(offsets, np.asarray(more, offsets.dtype))}


def _again(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, array[-1:]])

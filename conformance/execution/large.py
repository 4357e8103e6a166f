"""Large calls: the worker makes the arrays, and sends only some places of its answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from embcheck.conformance.contract.call import Observation
from embcheck.conformance.execution.processes.limits import GIB
from embcheck.conformance.execution.protocol.messages import describe_call
from embcheck.conformance.suite.arrays import GeneratedArray
from embcheck.conformance.suite.model import CallSpec, Returns, Structure

SECONDS = 600.0
"""The time limit of one large call, including the making of its arrays."""
_COPIES = 2
"""A library may copy each array once on the way in, and once on the way out."""
_WORKING_BYTES = GIB
"""For the library itself and its intermediate results."""


def memory_needed(spec: CallSpec, returns: Returns) -> int:
    """Return the bytes of memory that a large call needs, with a copy of each array."""
    arrays = [*spec.inputs.values(), *returns.observations.values()]
    sizes = [
        math.prod(array.shape) * array.dtype.itemsize
        for array in arrays
        if isinstance(array, (GeneratedArray, Structure))
    ]
    return _COPIES * sum(sizes) + _WORKING_BYTES


def large_request(spec: CallSpec, returns: Returns) -> dict[str, Any]:
    """Return the header that asks a worker for a large call."""
    made = {
        name: {**source.recipe, "shape": source.shape, "dtype": source.dtype.name}
        for name, source in spec.inputs.items()
        if isinstance(source, GeneratedArray)
    }
    places = {
        name: [position for position, _ in wanted.at]
        for name, wanted in returns.observations.items()
        if isinstance(wanted, Structure)
    }
    observe = (*spec.observe, Observation.INPUTS_AFTER)
    call = describe_call(replace(spec.outline(), observe=observe))
    return {"request": "ask", "call": call, "made": made, "places": places}

"""What is seen of a table that a library stored in 8 or 4 bits: the same for every library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embcheck.conformance.contract.backend import inputs_after
from embcheck.conformance.contract.call import Call, Observation

LookUp = Callable[[np.ndarray], np.ndarray]
"""Looks rows up in a stored table, by indices of any shape."""


def observe(
    call: Call,
    look_up: LookUp,
    has_codes_of: Callable[[np.ndarray], bool],
    loaded: Callable[[], LookUp],
) -> dict[str, np.ndarray]:
    """Look up, and see what else a call asks of its stored table.

    `has_codes_of` tells whether another table, stored anew, has the same codes; `loaded` saves the
    stored table by the library and loads it.
    """
    indices = call.inputs["indices"]
    output = look_up(indices)
    seen = {"output": output, **inputs_after(call.inputs)}
    if call.wants(Observation.STORED_WEIGHT, Observation.SAME_CODES_AGAIN):
        seen["stored_weight"] = look_up(np.arange(len(call.inputs["weight"]), dtype=indices.dtype))
    if call.wants(Observation.SAME_CODES_AGAIN):
        seen["same_codes_again"] = np.array(has_codes_of(seen["stored_weight"]))
    if call.wants(Observation.SAME_WHEN_LOADED):
        same = loaded()(indices).tobytes() == output.tobytes()
        seen["same_when_loaded"] = np.array(same)
    return seen

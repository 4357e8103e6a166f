"""Observations of a table that a library stored in 8 or 4 bits, shared by all libraries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embcheck.conformance.contract.backend import Unsupported, inputs_after
from embcheck.conformance.contract.call import Call, Observation

OF_THE_TABLE = {
    Observation.STORED_WEIGHT,
    Observation.SAME_CODES_AGAIN,
    Observation.SAME_WHEN_LOADED,
}
"""The observations of the stored table itself."""

WRITTEN = {
    *(Observation.OUTPUT, Observation.STORED_WEIGHT),
    *(Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER),
}
"""The observations that the scripts of most libraries make."""

SEEN = WRITTEN | OF_THE_TABLE

LookUp = Callable[[np.ndarray], np.ndarray]
"""Looks rows up in a stored table, by indices of any shape."""


def require_written(call: Call, written: set[Observation] = WRITTEN) -> None:
    """Raise Unsupported if the call asks for an observation that is not in `written`."""
    if not set(call.observe) <= written:
        raise Unsupported("no script is written for this observation")


def observe(
    call: Call,
    look_up: LookUp,
    has_codes_of: Callable[[np.ndarray], bool],
    loaded: Callable[[], LookUp],
) -> dict[str, np.ndarray]:
    """Look up, and compute the other observations of a call and its stored table.

    `has_codes_of` stores another table and tells whether it has the same codes. `loaded` saves the
    stored table with the library, loads it, and returns the lookup in the loaded table.
    """
    indices = call.inputs["indices"]
    output = look_up(indices)
    seen = {"output": output, **inputs_after(call.inputs)}
    if call.wants(Observation.STORED_WEIGHT, Observation.SAME_CODES_AGAIN):
        # In the call's dtype, since a graph takes only indices of the dtype that it was made for.
        seen["stored_weight"] = look_up(np.arange(len(call.inputs["weight"]), dtype=indices.dtype))
    if call.wants(Observation.SAME_CODES_AGAIN):
        seen["same_codes_again"] = np.array(has_codes_of(seen["stored_weight"]))
    if call.wants(Observation.SAME_WHEN_LOADED):
        # As bytes, since a NaN does not equal itself.
        same = loaded()(indices).tobytes() == output.tobytes()
        seen["same_when_loaded"] = np.array(same)
    return seen

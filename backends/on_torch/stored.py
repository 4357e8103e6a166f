"""Observations and script parts of a table of 8 or 4 bits, for libraries that take tensors."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from embcheck.backends.composed.stored_table import SEEN
from embcheck.conformance.contract.backend import Unsupported, inputs_after
from embcheck.conformance.contract.call import Call, Observation


def expect_seen(call: Call) -> None:
    """Raise Unsupported for an observation that a stored table does not have."""
    if not set(call.observe) <= SEEN:
        raise Unsupported("a quantised table is not trained")


def thunk(
    call: Call,
    tensors: Mapping[str, Any],
    look_up: Callable[[], Tensor],
    stored: Callable[[], Tensor],
    has_codes_of: Callable[[Tensor], bool],
    loaded: Callable[[], Tensor],
) -> Callable[[], dict[str, Any]]:
    """Return a thunk that looks up and makes the observations of the stored table.

    `stored` returns the dequantised table. `has_codes_of` stores another table and tells whether it
    has the same codes. `loaded` looks up in the table after it was saved and loaded.
    """

    def run() -> dict[str, Any]:
        seen: dict[str, Any] = {"output": look_up(), **inputs_after(tensors)}
        if call.wants(Observation.STORED_WEIGHT):
            seen["stored_weight"] = stored()
        if call.wants(Observation.SAME_CODES_AGAIN):
            seen["same_codes_again"] = has_codes_of(stored())
        if call.wants(Observation.SAME_WHEN_LOADED):
            seen["same_when_loaded"] = torch.equal(loaded(), seen["output"])
        return seen

    return run


def reloaded(saved: Any, *, weights_only: bool = True) -> Any:
    """Save something by `torch.save`, and load it."""
    file = io.BytesIO()
    torch.save(saved, file)
    file.seek(0)
    return torch.load(file, weights_only=weights_only)


def options_of(call: Call) -> dict[str, Any]:
    """Return the options of a call without its scheme."""
    return {name: value for name, value in call.options.items() if name != "scheme"}


def written_tensors(call: Call) -> dict[str, str]:
    """Write how the inputs become tensors and then arrays again, as two parts of a script."""
    return {
        "inputs": "\n".join(f"{name} = torch.from_numpy({name})" for name in call.inputs),
        "after": "\n".join(f"{name}_after = {name}.numpy()" for name in call.inputs),
    }

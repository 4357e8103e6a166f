"""The lookup functions of a library that has arrays but no bags, and which of them a call uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from embcheck.conformance.contract.call import Call, Observation, Operation

GRADIENTS = {
    Observation.GRAD_WEIGHT: "weight",
    Observation.GRAD_PER_SAMPLE_WEIGHTS: "per_sample_weights",
}
"""The input that is differentiated by, for each observation of a gradient."""


@dataclass(frozen=True)
class Lookups:
    """Functions that use only one library, so that a script can show their source.

    `per_sample_weights` may be left out. It is 1-D for a function that takes bounds.
    """

    look_up: Callable[..., Any]
    """(weight, indices): the rows."""
    reduce_matrix: Callable[..., Any]
    """(weight, indices, mode, per_sample_weights): each row of a matrix of indices is a bag."""
    reduce_segments: Callable[..., Any]
    """(weight, indices, bounds, mode, per_sample_weights): bags lie between bounds."""
    append_end: Callable[..., Any]
    """(offsets, indices): the bounds of bags; the last bag ends with the indices."""

    def take(self, call: Call, arrays: Mapping[str, Any]) -> Any:
        """Look up, and reduce bags if the call is of bags."""
        # From `arrays`, not from the call: gradients are taken with one of them replaced.
        weight, indices = arrays["weight"], arrays["indices"]
        if call.operation is Operation.EMBEDDING:
            return self.look_up(weight, indices)
        mode, factors = call.option("mode"), arrays.get("per_sample_weights")
        if "offsets" not in arrays:
            return self.reduce_matrix(weight, indices, mode, factors)
        bounds = arrays["offsets"]
        if not call.option("include_last_offset"):
            bounds = self.append_end(bounds, indices)
        return self.reduce_segments(weight, indices, bounds, mode, factors)

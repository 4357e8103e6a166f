"""Signatures of divergences; divergences with one signature are one finding."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)
from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.execution.judging.verdict import Kind
from embcheck.conformance.fuzzing.traits import Traits, dtype_class, traits_of, weight_dtype

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
VALID_MODES = frozenset(f"mode={mode}" for mode in OPTIONS["mode"].values)
BESIDE_GRADIENT = "beside a gradient"
"""A trait of an output that differs only if a gradient is observed too."""


@dataclass(frozen=True)
class Signature:
    """How a backend departs, and in what kind of call.

    `kind` is that of a failed case, or `crashed`, `timed-out` or `errored`. `observation` is the
    one that differs, if one does. `reason` is the message of a backend that refuses a valid call,
    without its numbers.
    """

    operation: Operation
    kind: str
    observation: str | None
    traits: Traits
    dtype: str
    reason: str = ""
    after: bool = False
    """Whether the same call alone, in a fresh process, is answered correctly."""

    @property
    def after_others(self) -> Signature:
        """The departure as one that earlier calls cause, without traits of this call."""
        return replace(self, operation=self.operation.function, traits=Traits.none(), after=True)

    def explains(self, other: Signature) -> bool:
        """Whether the other is the same departure, in a call with the same traits or more.

        A departure of a function is also one of the modules that call it.
        """
        return (
            self.operation in (other.operation, other.operation.function)
            and (self.kind, self.observation) == (other.kind, other.observation)
            and (self.reason, self.after) == (other.reason, other.after)
            and self.traits.within(other.traits)
        )

    def is_like(self, other: Signature) -> bool:
        """Whether the other is the same departure, ignoring sizes, which may grow in shrinking."""
        return replace(self, traits=self.traits.sized()).explains(other)

    def __str__(self) -> str:
        about = f" of {self.observation}" if self.observation else ""
        circumstances = f" ({self.traits})" if str(self.traits) else ""
        after = ", only after other calls" if self.after else ""
        return f"{self.operation}: {self.kind}{about}{circumstances}{after}"


def signature_of(call: Call, kind: str, observation: str | None, message: str = "") -> Signature:
    """Describe a divergence by its call, and by the message of a refusal."""
    dtype = weight_dtype(call) or call.inputs["indices"].dtype
    traits = traits_for(kind, traits_of(call))
    if observation == Observation.OUTPUT and call.wants(
        *GRADIENT_OBSERVATIONS, *TRAINING_OBSERVATIONS
    ):
        traits = replace(traits, arrays=traits.arrays | {BESIDE_GRADIENT})
    # Without numbers, the reasons of two calls are one: `index 7 is out of bounds for 5 rows`.
    return Signature(
        call.operation,
        str(kind),
        observation,
        traits,
        dtype_class(dtype),
        _NUMBER.sub("0", message) if kind == Kind.REJECTED_VALID else "",
    )


def traits_for(kind: str, traits: Traits) -> Traits:
    """Leave out the mode of bags for refusals, which are the same in every mode."""
    if kind in (Kind.ACCEPTED_INVALID, Kind.REJECTED_VALID):
        return replace(traits, options=traits.options - VALID_MODES)
    return traits

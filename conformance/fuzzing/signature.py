"""What a divergence is about; findings of one signature are one finding."""

from __future__ import annotations

import re
from dataclasses import dataclass

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.judge import Kind
from embcheck.conformance.fuzzing.traits import MODES, Traits, dtype_class, traits_of, weight_dtype

_FAMILIES = {
    Operation.EMBEDDING_MODULE: Operation.EMBEDDING,
    Operation.EMBEDDING_FROM_PRETRAINED: Operation.EMBEDDING,
    Operation.EMBEDDING_BAG_MODULE: Operation.EMBEDDING_BAG,
    Operation.EMBEDDING_BAG_FROM_PRETRAINED: Operation.EMBEDDING_BAG,
}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
VALID_MODES = frozenset(f"mode={mode}" for mode in MODES)


def family(operation: Operation) -> Operation:
    """Return the function behind an operation: modules call it."""
    return _FAMILIES.get(operation, operation)


@dataclass(frozen=True)
class Signature:
    """How a backend departs, and in what kind of call.

    `kind` is that of a failed case, or `crashed`, `timed-out` or `errored`; `observation` is what
    differs, where something that came back does; `reason` is what a backend says that refuses a
    valid call, but for the numbers in it.
    """

    operation: Operation
    kind: str
    observation: str | None
    traits: Traits
    dtype: str
    reason: str = ""

    def explains(self, other: Signature) -> bool:
        """Whether the other is the same departure, in a call with more about it.

        What a function does, the modules that call it do too.
        """
        return (
            self.operation in (other.operation, family(other.operation))
            and (self.kind, self.observation) == (other.kind, other.observation)
            and self.reason == other.reason
            and self.traits.within(other.traits)
        )

    def __str__(self) -> str:
        about = f" of {self.observation}" if self.observation else ""
        circumstances = f" ({self.traits})" if str(self.traits) else ""
        return f"{self.operation}: {self.kind}{about}{circumstances}"


def signature_of(call: Call, kind: str, observation: str | None, message: str = "") -> Signature:
    """Describe a divergence by its call, and by the message of a refusal."""
    dtype = weight_dtype(call) or call.inputs["indices"].dtype
    return Signature(
        call.operation,
        str(kind),
        observation,
        traits_for(kind, traits_of(call)),
        dtype_class(dtype),
        _NUMBER.sub("0", message) if kind == Kind.REJECTED_VALID else "",
    )


def traits_for(kind: str, traits: Traits) -> Traits:
    """Leave the mode of bags out where it does not matter: refusals are the same in every mode."""
    if kind in (Kind.ACCEPTED_INVALID, Kind.REJECTED_VALID):
        return Traits(traits.options - VALID_MODES, traits.arrays)
    return traits

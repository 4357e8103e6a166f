"""What a divergence is about; findings of one signature are one finding."""

from __future__ import annotations

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
VALID_MODES = frozenset(f"mode={mode}" for mode in MODES)


def family(operation: Operation) -> Operation:
    """Return the function behind an operation: modules call it."""
    return _FAMILIES.get(operation, operation)


@dataclass(frozen=True)
class Signature:
    """How a backend departs, and in what kind of call.

    `kind` is that of a failed case, or `crashed`, `timed-out` or `errored`; `observation` is what
    differs, where something that came back does.
    """

    operation: Operation
    kind: str
    observation: str | None
    traits: Traits
    dtype: str

    def explains(self, other: Signature) -> bool:
        """Whether the other is the same departure, in a call with more about it.

        What a function does, the modules that call it do too.
        """
        return (
            self.operation in (other.operation, family(other.operation))
            and (self.kind, self.observation) == (other.kind, other.observation)
            and self.traits.within(other.traits)
        )

    def __str__(self) -> str:
        about = f" of {self.observation}" if self.observation else ""
        circumstances = f" ({self.traits})" if str(self.traits) else ""
        return f"{self.operation}: {self.kind}{about}{circumstances}"


def signature_of(call: Call, kind: str, observation: str | None) -> Signature:
    """Describe a divergence by its call; what must be refused must be so in every mode."""
    traits = traits_of(call)
    if kind == Kind.ACCEPTED_INVALID:
        traits = Traits(traits.options - VALID_MODES, traits.arrays)
    dtype = weight_dtype(call) or call.inputs["indices"].dtype
    return Signature(call.operation, str(kind), observation, traits, dtype_class(dtype))

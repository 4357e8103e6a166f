"""Track what an adapter reads of a call: parts that are never read never reach the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
)
from embcheck.conformance.contract.options import OPTIONS


class Tracked(dict[str, Any]):
    """Options or inputs that remember which of them were read.

    It is a dict, since libraries and encoders expect one. It has an iterator of its own, so that
    copying it reads each value by its key.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        self._read.add(name)
        return value

    # Otherwise `dict(tracked)` and `{**tracked}` would bypass `__getitem__`.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value and mark it as read, or return the default."""
        return self[name] if name in self else default  # noqa: SIM401  (that is this method)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove a value, mark it as read, and return it."""
        self._read.add(name)
        return super().pop(name, *default)

    def items(self) -> Any:
        """Return names and values, and mark all as read."""
        self._read.update(self)
        return super().items()

    def values(self) -> Any:
        """Return the values, and mark all as read."""
        self._read.update(self)
        return super().values()

    @property
    def read(self) -> list[str]:
        """The names whose value was read."""
        return sorted(self._read)

    @property
    def unread(self) -> list[str]:
        """The names whose value was never read."""
        return sorted(self.keys() - self._read)

    def says(self, name: str, value: Any) -> bool:
        """Whether a name has exactly this value, also its type; this does not count as reading."""
        there = super().get(name)
        return type(there) is type(value) and bool(there == value)


def tracked(call: Call) -> Call:
    """Return the call with options and inputs that remember what is read."""
    return replace(call, options=Tracked(call.options), inputs=Tracked(call.inputs))


def unread(call: Call) -> list[str]:
    """Name the options and inputs of a tracked call that were not read and that count.

    Indices and the weight do not count: an answer made without them is judged like any other. An
    upstream gradient counts only if gradients or training are observed, and an option only if it
    has another value than its default. Raises TypeError for a call that is no longer tracked.
    """
    if not isinstance(call.options, Tracked) or not isinstance(call.inputs, Tracked):
        raise TypeError("the adapter replaced the options or the inputs of its call")
    backward = call.wants(*GRADIENT_OBSERVATIONS, *TRAINING_OBSERVATIONS)
    options = [
        name
        for name in call.options.unread
        if name not in OPTIONS or not call.options.says(name, OPTIONS[name].default)
    ]
    optional = {"offsets", "per_sample_weights", *(("grad_output",) if backward else ())}
    return [*options, *(name for name in call.inputs.unread if name in optional)]

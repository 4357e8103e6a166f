"""What an adapter reads of a call: the library cannot have been given what is never read."""

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

    A dict, for that is what libraries and encoders take; with an iterator of its own, so that
    copies read each value by its key.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        self._read.add(name)
        return value

    # Else `dict(tracked)` and `{**tracked}` would copy the values past `__getitem__`.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, which is read, or the default."""
        return self[name] if name in self else default  # noqa: SIM401  (that is this method)

    def pop(self, name: str, *default: Any) -> Any:
        """Take a value out, which is read."""
        self._read.add(name)
        return super().pop(name, *default)

    def items(self) -> Any:
        """Return names and values, all of which are read."""
        self._read.update(self)
        return super().items()

    def values(self) -> Any:
        """Return the values, all of which are read."""
        self._read.update(self)
        return super().values()

    @property
    def read(self) -> list[str]:
        """The names whose value was asked for."""
        return sorted(self._read)

    @property
    def unread(self) -> list[str]:
        """The names whose value nobody asked for."""
        return sorted(self.keys() - self._read)

    def says(self, name: str, value: Any) -> bool:
        """Whether a name has this very value; asking so does not count as reading."""
        there = super().get(name)
        return type(there) is type(value) and bool(there == value)


def tracked(call: Call) -> Call:
    """Return the call with options and inputs that remember what is read."""
    return replace(call, options=Tracked(call.options), inputs=Tracked(call.inputs))


def unread(call: Call) -> list[str]:
    """Name what was not read of a tracked call, of what some libraries lack.

    Indices and the weight do not count: an answer that was made without them is judged like any.
    An upstream gradient is read only by what goes backward, and an option that has its default need
    not be read. Raises TypeError for a call that is not tracked any more.
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

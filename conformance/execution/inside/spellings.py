"""A backend's other spellings of a call: other ways to make it with the same library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend, Unsupported
from embcheck.conformance.contract.call import Call


def spellings_of(backend: Any, call: Call) -> Mapping[str, Callable[[], Any]]:
    """Return an adapter's other spellings of a call, as thunks by name; raises Unsupported."""
    return backend.spellings(call) if hasattr(backend, "spellings") else {}


class SpelledBackend:
    """A backend that prepares calls in one of its other spellings."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend, self._name = backend, name

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Return the thunk of that spelling; raises Unsupported if there is none."""
        thunks = spellings_of(self._backend, call)
        if self._name not in thunks:
            raise Unsupported(f"there is no spelling {self._name!r} of this call")
        return thunks[self._name]

    def to_numpy(self, answer: Any) -> Mapping[str, np.ndarray]:
        """Convert an answer to arrays as the backend does."""
        return self._backend.to_numpy(answer)

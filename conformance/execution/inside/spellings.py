"""A backend as one of its other spellings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend, Unsupported
from embcheck.conformance.contract.call import Call


def spellings_of(backend: Any, call: Call) -> Mapping[str, Callable[[], Any]]:
    """Return the other ways to say a call that an adapter knows of; raises Unsupported."""
    return backend.spellings(call) if hasattr(backend, "spellings") else {}


class SpelledBackend:
    """Prepares calls in one of a backend's other spellings; answers are the backend's."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend, self._name = backend, name

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Return the thunk of that name."""
        thunks = spellings_of(self._backend, call)
        if self._name not in thunks:
            raise Unsupported(f"there is no spelling {self._name!r} of this call")
        return thunks[self._name]

    def to_numpy(self, answer: Any) -> Mapping[str, np.ndarray]:
        """Bring an answer home as the backend does."""
        return self._backend.to_numpy(answer)

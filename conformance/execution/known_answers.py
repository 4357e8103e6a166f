"""The reference's answers in a run, kept for the other backends that get the same calls."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

import numpy as np

from embcheck.conformance.suite.model import CallSpec

MOST_BYTES = 128 * 2**20
"""The most bytes of all kept arrays together. Backends are a few hundred cases apart at most."""

Arrays = Mapping[str, np.ndarray]


class KnownAnswers:
    """The reference's answers to the calls of specs; the oldest are dropped.

    It is safe to use from several threads.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = self._left = most
        # The key is the spec's id, which stays unique while the spec is kept.
        self._kept: OrderedDict[int, tuple[CallSpec, Arrays]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, spec: CallSpec, ask: Callable[[], Arrays]) -> Arrays:
        """Return the reference's answer to a spec's call; call `ask` if it is not known."""
        with self._lock:
            known = self._kept.get(id(spec))
        if known is not None:
            return known[1]
        arrays = dict(ask())  # Without the lock, so that other threads do not wait for this answer.
        for array in arrays.values():
            array.flags.writeable = False  # Shared by all backends: judging one must not change it.
        self._keep(spec, arrays)
        return arrays

    def _keep(self, spec: CallSpec, arrays: Arrays) -> None:
        with self._lock:
            if id(spec) not in self._kept:
                self._kept[id(spec)] = (spec, arrays)
                self._left -= _size(arrays)
            while self._left < 0 and self._kept:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._left += _size(dropped)


def _size(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())

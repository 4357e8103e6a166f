"""Find what a backend keeps of its answers: arrays that a thunk or its adapter can reach.

A remembered answer may be returned as a copy; overwriting the copy then proves nothing. But the
original belongs to something that the thunk refers to, so that it can be found and overwritten.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

OBJECTS = 50_000
"""The most objects that are visited; what is remembered for a call is close to its thunk."""
PLAIN = (str, bytes, int, float, complex, bool, type(None), ModuleType, np.generic)


def overwrite(
    roots: Iterable[Any], home: Mapping[str, np.ndarray], inputs: Iterable[np.ndarray], package: str
) -> None:
    """Overwrite all reachable arrays that equal an answer, unless an input equals it too.

    `package` is the adapter's own; the variables of its modules are searched too.
    """
    # Overwriting an input, or an array with the same numbers, would make right answers wrong.
    spared = list(inputs)
    wanted = [a for a in home.values() if a.size and not any(_alike(a, b) for b in spared)]
    for array in _arrays(roots, package):
        shared = any(np.may_share_memory(array, other) for other in spared)
        if not shared and array.flags.writeable and any(_alike(array, one) for one in wanted):
            array.fill(-1)


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    return (
        one.dtype == other.dtype
        and one.size == other.size
        and bool(
            np.array_equal(one.reshape(-1), other.reshape(-1), equal_nan=one.dtype.kind in "fc")
        )
    )


def _arrays(roots: Iterable[Any], package: str) -> Iterator[np.ndarray]:
    """Give the arrays that can be reached from objects, the nearest first."""
    waiting: deque[Any] = deque(roots)
    met: set[int] = set()
    while waiting and len(met) < OBJECTS:
        item = waiting.popleft()
        if id(item) in met or isinstance(item, PLAIN):
            continue
        met.add(id(item))
        array = _as_array(item)
        if array is not None:
            yield array
        # Of a library's function, only the closure: its globals lead to everything.
        elif isinstance(item, FunctionType) and not _is_of(item, package):
            waiting.extend(cell for cell in item.__closure__ or ())
        elif not isinstance(item, type) or _is_of(item, package):
            waiting.extend(gc.get_referents(item))


def _is_of(item: Any, package: str) -> bool:
    # A class that a metaclass makes by `type.__new__` may have no module.
    return f"{getattr(item, '__module__', '')}.".startswith(f"{package}.")


def _as_array(item: Any) -> np.ndarray | None:
    """Return an array itself, a CPU tensor as an array in the same memory, None for the rest."""
    if isinstance(item, np.ndarray):
        return item if item.dtype.kind in "biufc" else None
    if not hasattr(type(item), "__dlpack__"):
        return None
    try:
        return np.asarray(item)
    except Exception:  # noqa: BLE001  (a tensor elsewhere, or one that needs a gradient)
        return None

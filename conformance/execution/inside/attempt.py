"""Run a backend's code, and turn whatever it raises into data: the header of a reply."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from itertools import islice
from time import perf_counter
from types import MappingProxyType
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend, Unsupported
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.help import taken
from embcheck.conformance.execution.inside.refusal import refuser_of
from embcheck.conformance.execution.inside.tracking import unread
from embcheck.conformance.execution.protocol.checks import clean
from embcheck.conformance.suite.arrays import DTYPES

Reply = tuple[dict[str, Any], dict[str, np.ndarray]]
"""The header's fields, and arrays."""

MOST_NAMES = 64
"""The most arrays in an answer: no call has so many observations and inputs."""
MOST_NAME = 200
"""The most characters of a name: of an array, or of an exception's type."""

# Bound before the backend is imported, which may patch them.
_ARRAY, _MASKED, _view = np.ndarray, np.ma.MaskedArray, np.ndarray.view
_DTYPES = {name: np.dtype(name) for name in DTYPES}
_NAME = vars(type)["__name__"]
_exact = str.__str__
"""Returns the text of a str, even if its subclass overrides `__str__`."""


class Failed(Exception):
    """A backend's code failed; `header` is the reply's header, and says how."""

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header["message"])
        self.header = header


def attempt(action: Callable[[], Any], stage: str, backend: Backend | None = None) -> Any:
    """Run a backend's code and return the result; raises Failed, and nothing else.

    If `backend` is given, the failure also says who raised the error.
    """
    try:
        return action()
    except Unsupported as reason:
        # Only `prepare` may raise it; a thunk that does is the adapter's fault.
        is_late = stage != "prepare"
        described = describe_failure("errored" if is_late else "unsupported", stage, reason)
        described["late"] = is_late
    except Exception as error:  # noqa: BLE001  (whatever a library raises is data here)
        described = describe_failure("rejected", stage, error)
        if backend is not None:
            refuser = refuser_of(error, backend.info, type(backend).__module__)
            described["refuser"] = str(refuser)
    except BaseException as error:  # noqa: BLE001  (SystemExit would end the caller's process)
        described = describe_failure("exited", stage, error)
    # Outside of the branches, so that the backend's exception does not stay alive as a context.
    raise Failed(described)


def describe_failure(status: str, stage: str, error: BaseException) -> dict[str, Any]:
    """Describe an exception as the header of a reply."""
    try:
        message = clean(_exact(str(error)))
    except BaseException as broken:  # noqa: BLE001  (an exception's own __str__ may do anything)
        message = f"<no message: str() raised {_name_of(broken)}>"
    return {"status": status, "stage": stage, "exception": _name_of(error), "message": message}


def _name_of(value: Any) -> str:
    """Return the name of a value's type, even if the type overrides it."""
    name: str = _NAME.__get__(type(value))
    return clean(_exact(name), MOST_NAME)


def run_call(
    backend: Any,
    call: Call,
    adapter: Backend,
    wrap: Callable[[Callable[[], Any]], Callable[[], Any]] | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Prepare a tracked call and run it once; return its answer, and fields for the reply.

    `backend` is `adapter` or another spelling of it. `wrap` gets the thunk, and returns what is
    called instead. Raises Failed.
    """
    started = perf_counter()
    try:
        with warnings.catch_warnings():  # Warnings might be errors, and look like refusals.
            warnings.simplefilter("ignore")
            thunk = attempt(lambda: backend.prepare(call), "prepare", adapter)
            answer = attempt(wrap(thunk) if wrap else thunk, "call", adapter)
    except Failed as failed:
        seconds = perf_counter() - started
        raise Failed({**failed.header, "seconds": seconds, "unread": unread(call)}) from None
    seconds = perf_counter() - started
    return answer, {"seconds": seconds, "unread": unread(call), "helped": taken()}


def bring_home(
    to_numpy: Callable[[Any], Mapping[str, np.ndarray]],
    answer: Any,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """Turn an answer into arrays for a reply; raises Failed, whose header includes `told`."""
    try:
        home: dict[str, np.ndarray] = attempt(lambda: checked(to_numpy(answer)), "to_numpy")
    except Failed as failed:
        raise Failed({**failed.header, **told, "status": "errored"}) from None
    return home


def checked(answer: Any) -> dict[str, np.ndarray]:
    """Return an answer, a mapping from names to arrays of plain numbers, as plain objects.

    Raises TypeError for anything else. The objects' own methods are not trusted: only the memory of
    an array counts, as NumPy itself knows it.
    """
    if not isinstance(answer, Mapping):
        raise TypeError(f"to_numpy returned a {_name_of(answer)}, not a mapping of arrays")
    names = _names(answer)
    values = [answer[name] for name in names]
    if type(answer) is not dict and (len(answer) != len(names) or _names(answer) != names):
        raise TypeError("to_numpy returned a mapping whose names change from look to look")
    return {name: _plain(name, value) for name, value in zip(names, values, strict=True)}


def _names(answer: Mapping[Any, Any]) -> list[str]:
    names = list(islice(iter(answer), MOST_NAMES + 1))  # The mapping's own iterator may be endless.
    if len(names) > MOST_NAMES:
        raise TypeError(f"to_numpy returned more than {MOST_NAMES} names")
    for name in names:
        if not issubclass(type(name), str):
            raise TypeError(f"to_numpy returned a name that is no str, but {_name_of(name)}")
    exact = [_exact(name) for name in names]
    if len(set(exact)) < len(exact):
        raise TypeError("to_numpy returned a mapping with a name twice")
    if too_long := [name for name in exact if len(name) > MOST_NAME]:
        raise TypeError(f"to_numpy returned a name of {len(too_long[0]):,} characters")
    return exact


def _plain(name: str, value: Any) -> np.ndarray:
    """Return an array as a plain `np.ndarray`; raises TypeError if its dtype is not a known one."""
    kind = type(value)
    if not issubclass(kind, _ARRAY):
        raise TypeError(f"to_numpy returned {name!r}: {_name_of(value)}, not an array")
    if issubclass(kind, _MASKED):
        raise TypeError(f"to_numpy returned {name!r} with a mask, which is no plain array")
    array = value if kind is _ARRAY else _view(value, _ARRAY)
    dtype, known = array.dtype, _DTYPES.get(array.dtype.name)
    if known is not None and not dtype.isnative:
        raise TypeError(f"to_numpy returned {name!r} in foreign byte order: {dtype.str}")
    if dtype != known:  # A structured dtype may have a plain one's name.
        raise TypeError(f"to_numpy returned {name!r} with dtype {dtype}")
    return array

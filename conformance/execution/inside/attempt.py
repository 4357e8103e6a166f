"""Run something of a backend's, and turn whatever it raises into data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend, Unsupported
from embcheck.conformance.execution.inside.refusal import refuser_of
from embcheck.conformance.suite.arrays import DTYPES

Reply = tuple[dict[str, Any], dict[str, np.ndarray]]

MESSAGE_LIMIT = 5000
"""More than the harness keeps, which says what it cut."""


def attempt(
    action: Callable[[], Any], stage: str, backend: Backend | None = None
) -> tuple[dict[str, Any] | None, Any]:
    """Run something of a backend's; return (None, result), or how it failed.

    Of an error it is told who raised it, where the backend is given.
    """
    try:
        return None, action()
    except Unsupported as reason:
        is_late = stage != "prepare"
        described = describe_failure("errored" if is_late else "unsupported", stage, reason)
        return described | {"late": is_late}, None
    except Exception as error:  # noqa: BLE001  (whatever a library raises is data here)
        described = describe_failure("rejected", stage, error)
        if backend is not None:
            refuser = refuser_of(error, backend.info, type(backend).__module__)
            described["refuser"] = str(refuser)
        return described, None
    except BaseException as error:  # noqa: BLE001  (SystemExit would end the caller's process)
        return describe_failure("exited", stage, error), None


def describe_failure(status: str, stage: str, error: BaseException) -> dict[str, Any]:
    """Describe an exception as the header of a reply."""
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001  (an exception's own __str__ may fail)
        message = f"<no message: str() raised {type(broken).__name__}>"
    return {
        "status": status,
        "stage": stage,
        "exception": type(error).__name__,
        "message": message[:MESSAGE_LIMIT].encode("utf-8", "replace").decode(),
    }


def bring_home(
    to_numpy: Callable[[Any], Mapping[str, np.ndarray]], answer: Any, header: dict[str, Any]
) -> Reply:
    """Turn a thunk's answer into arrays that may travel; `header` joins the reply's."""
    failed, mapping = attempt(lambda: checked(to_numpy(answer)), "to_numpy")
    if failed is not None:
        return {**failed, **header, "status": "errored"}, {}
    return {"status": "answered", **header}, mapping


def checked(answer: Any) -> dict[str, np.ndarray]:
    """Make sure that an answer is a mapping from names to arrays of plain numbers."""
    if not isinstance(answer, Mapping):
        raise TypeError(f"to_numpy returned a {type(answer).__name__}, not a mapping of arrays")
    for name, array in answer.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray):
            raise TypeError(f"to_numpy returned {name!r}: {type(array).__name__}, not an array")
        if array.dtype.name not in DTYPES:
            raise TypeError(f"to_numpy returned {name!r} with dtype {array.dtype}")
        if not array.dtype.isnative:
            raise TypeError(f"to_numpy returned {name!r} in foreign byte order: {array.dtype.str}")
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(f"to_numpy returned {name!r} with a mask, which is no plain array")
    return dict(answer)

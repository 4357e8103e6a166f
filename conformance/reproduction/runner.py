"""The library alone: runs programs one after another, and writes the results of each.

Started as `python -m embcheck.conformance.reproduction.runner REQUEST TOLD`. A program is a file,
since some compilers read the source of what they compile. Each result is written at once, so that a
crash keeps the earlier ones. A program does not use the adapter; an error in it is attributed like
an adapter's, by the module that raised it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.inside.attempt import checked
from embcheck.conformance.execution.inside.refusal import refuser_of
from embcheck.conformance.execution.protocol import wire

_PROGRAM = "__main__"
# A library may raise them too, but a program that names what is not there is the likelier cause.
_OF_THE_PROGRAM = (ImportError, NameError, SyntaxError)


def run(path: Path, observe: Iterable[str], info: BackendInfo) -> wire.Frame:
    """Run a program; return the observations that it defines, or its error."""
    # Under this name, frames of the program are told from the library's in a traceback.
    names: dict[str, Any] = {"__name__": _PROGRAM}
    try:
        exec(compile(path.read_text("utf-8"), path, "exec"), names)  # noqa: S102  (its very task)
    except _OF_THE_PROGRAM as error:
        return {"status": "broken", "message": f"{type(error).__name__}: {error}"}, {}
    except Exception as error:  # noqa: BLE001  (whatever a library raises is data here)
        refuser = str(refuser_of(error, info, _PROGRAM))
        told = {"exception": type(error).__name__, "message": str(error)[:1000]}
        return {"status": "refused", "refuser": refuser, **told}, {}
    arrays = {name: names[name] for name in observe if isinstance(names.get(name), np.ndarray)}
    try:
        return {"status": "answered"}, checked(arrays)
    except TypeError as error:
        return {"status": "broken", "message": f"its arrays: {error}"}, {}


def info_of(told: Mapping[str, Any]) -> BackendInfo:
    """Make the part of a backend's info that says which modules raise its errors."""
    return BackendInfo(
        id=told["id"],
        library=told["library"],
        version="",
        modules=tuple(told["modules"]),
        exporters=tuple(told["exporters"]),
    )


def main(request: Path, told: Path) -> None:
    """Run all programs of a request."""
    asked = json.loads(request.read_text("utf-8"))
    info = info_of(asked["info"])
    with told.open("wb") as stream:
        for program in asked["programs"]:
            wire.send(stream, *run(Path(program["path"]), program["observe"], info))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

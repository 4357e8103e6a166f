"""Calls and infos as plain JSON data, as they travel between harness and worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo, Capability, Provided, Provision
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.protocol.checks import (
    count,
    fields,
    flag,
    many,
    maybe,
    named,
    seconds,
    short,
    text,
)
from embcheck.conformance.execution.protocol.wire import Broken

READY = b"ready"
"""The message of a fork server that is ready to fork: see `fork_server`."""
FORK_MESSAGE_BYTES = 8192
WORKER = "the worker"
"""The stage of a failure in the worker's own code, which the adapter must have caused."""


class WhichAnswer(StrEnum):
    """Which answer is read, after a call that has just returned."""

    FRESH = "fresh"
    """The answer of that call."""
    SETTLED = "settled"
    """The answer of an earlier call, which had time to be computed, and was never read."""
    READ = "read"
    """The answer of an earlier call, which was read before."""


class CallStep(StrEnum):
    """The steps of a call, in which a process may die."""

    PREPARE = "prepare"
    CALL = "call"
    TO_NUMPY = "to_numpy"
    SECOND_CALL = "second call"


def describe_call(call: Call) -> dict[str, Any]:
    """Turn a call, except its arrays, into plain JSON data."""
    return {
        "operation": str(call.operation),
        "options": dict(call.options),
        "observe": [str(name) for name in call.observe],
        **({"exported_for": dict(call.exported_for)} if call.exported_for else {}),
    }


def parse_call(described: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Call:
    """Rebuild a call from its description and the arrays that came with it."""
    return Call(
        Operation(described["operation"]),
        arrays,
        described["options"],
        tuple(described["observe"]),
        described.get("exported_for", {}),
    )


def describe_info(info: BackendInfo) -> dict[str, Any]:
    """Turn a backend's info into plain JSON data."""
    return {
        "id": info.id,
        "library": info.library,
        "version": info.version,
        "device": info.device,
        "operations": {
            str(operation): {"provision": str(how.provision), "spelling": how.spelling}
            for operation, how in info.operations.items()
        },
        "capabilities": sorted(str(capability) for capability in info.capabilities),
        "schemes": sorted(map(str, info.schemes)),
        "fresh_worker_after_bad_index": info.fresh_worker_after_bad_index,
        "made_from": info.made_from,
        "survives_fork": info.survives_fork,
        "threads": info.threads,
        "instructions": info.instructions,
        "modules": list(info.refusers),
        "exporters": list(info.exporters),
        "settings": {str(name): str(value) for name, value in info.settings.items()},
    }


_INFO = fields(
    {
        "id": short,
        "library": short,
        "version": short,
        "device": short,
        "operations": named(fields({"provision": text, "spelling": text})),
        "capabilities": many(text),
        "schemes": many(text),
        "fresh_worker_after_bad_index": flag,
        "made_from": maybe(text),
        "survives_fork": flag,
        "threads": maybe(count),
        "instructions": maybe(text),
        "modules": many(text),
        "exporters": many(text),
        "settings": named(text),
    }
)


def parse_info(told: object) -> BackendInfo:
    """Rebuild a backend's info from what its worker sent; raises Broken if it is invalid."""
    info = _INFO(told, "the info")
    try:
        operations = {
            Operation(name): Provided(Provision(how["provision"]), how["spelling"])
            for name, how in info["operations"].items()
        }
        capabilities = frozenset(Capability(name) for name in info["capabilities"])
    except ValueError as error:
        raise Broken(f"the info has what is unknown: {error}") from None
    return BackendInfo(
        **{
            **info,
            "operations": operations,
            "capabilities": capabilities,
            "schemes": frozenset(info["schemes"]),
            "modules": tuple(info["modules"]),
            "exporters": tuple(info["exporters"]),
        }
    )


@dataclass(frozen=True)
class Hello:
    """A worker's first message: the backend that it serves, or why it serves none.

    If `info` is None, `reason` says why, and `is_absence` whether something is missing here rather
    than broken.
    """

    info: BackendInfo | None
    import_seconds: float = 0.0
    reason: str = ""
    is_absence: bool = False


_HELLOS = {
    "ready": fields({"embcheck": text, "info": lambda told, _: told, "import_seconds": seconds}),
    "unavailable": fields({"message": text}),
    "errored": fields({"stage": text, "exception": text, "message": text}),
}


def parse_hello(header: Mapping[str, Any], name: str | None, embcheck: str) -> Hello:
    """Parse a worker's hello; without an info if the worker has another version of embcheck.

    Raises Broken if it is no hello, or if it is another backend's. If the name is None, any backend
    will do.
    """
    status, told = parted(header, "the hello", _HELLOS)
    if status == "unavailable":
        return Hello(None, reason=told["message"], is_absence=True)
    if status == "errored":
        where = "" if told["stage"] == "import" else f"{told['stage']} raised "
        return Hello(None, reason=f"{where}{told['exception']}: {told['message']}")
    # Checked before the info, whose fields may mean something else in another version.
    if told["embcheck"] != embcheck:
        reason = f"its environment has embcheck {told['embcheck']}, this one {embcheck}"
        return Hello(None, reason=reason)
    info = parse_info(told["info"])
    if name is not None and info.id != name:
        raise Broken(f"its info says that it is {info.id}, it is announced as {name}")
    return Hello(info, told["import_seconds"])


def parted(header: Mapping[str, Any], place: str, checks: Mapping[str, Any]) -> tuple[str, Any]:
    """Return a header's status and its other fields, checked for that status."""
    status = header.get("status")
    if type(status) is not str or status not in checks:
        raise Broken(f"{place} has no status that is known")
    others = {key: value for key, value in header.items() if key != "status"}
    return status, checks[status](others, place)

"""Calls and infos as plain JSON data, as they travel between harness and worker."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo, Capability, Provided, Provision
from embcheck.conformance.contract.call import Call, Operation

READY = b"ready"
"""What a fork server says once it can fork: see `fork_server`."""
FORK_MESSAGE_BYTES = 8192


class WhichAnswer(StrEnum):
    """Which answer is read, after a call that has just returned."""

    FRESH = "fresh"
    """That call's."""
    SETTLED = "settled"
    """An earlier one's, which had time to exist, and was never read."""
    READ = "read"
    """An earlier one's, which was read before."""


def describe_call(call: Call) -> dict[str, Any]:
    """Turn a call, but for its arrays, into plain JSON data."""
    return {
        "operation": str(call.operation),
        "options": dict(call.options),
        "observe": [str(name) for name in call.observe],
        **({"exported_for": dict(call.exported_for)} if call.exported_for else {}),
    }


def parse_call(described: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Call:
    """Rebuild a call from its description, and the arrays that came with it."""
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
        "fresh_worker_after_bad_index": info.fresh_worker_after_bad_index,
        "made_from": info.made_from,
        "survives_fork": info.survives_fork,
        "threads": info.threads,
        "instructions": info.instructions,
        "modules": list(info.refusers),
        "exporters": list(info.exporters),
        "settings": {str(name): str(value) for name, value in info.settings.items()},
    }


def parse_info(info: Mapping[str, Any]) -> BackendInfo:
    """Rebuild a backend's info from what its worker sent."""
    return BackendInfo(
        id=info["id"],
        library=info["library"],
        version=info["version"],
        device=info["device"],
        operations={
            Operation(name): Provided(Provision(how["provision"]), how["spelling"])
            for name, how in info["operations"].items()
        },
        capabilities=frozenset(Capability(name) for name in info["capabilities"]),
        fresh_worker_after_bad_index=info["fresh_worker_after_bad_index"],
        made_from=info["made_from"],
        survives_fork=info["survives_fork"],
        threads=info["threads"],
        instructions=info["instructions"],
        settings=info["settings"],
        modules=tuple(info["modules"]),
        exporters=tuple(info["exporters"]),
    )

"""What makes two timing runs comparable: the machine, the workloads, the backends' code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from embcheck.conformance.records.environment import describe_environment
from embcheck.conformance.records.lines import RunHeader
from embcheck.conformance.timing.clock import machine
from embcheck.conformance.timing.workloads.load import Workload

MACHINE = ("platform", "cpu", "cores", "memory_gib", "last_level_cache_bytes")
BACKEND = ("library", "version", "device", "source")
# A workload with another title is still the same.
WORDS = ("title", "stands_for")


def describe_machine() -> dict[str, Any]:
    """Describe the machine as a timing run's header does."""
    found = machine.last_level_cache_bytes()
    return {**describe_environment(), "last_level_cache_bytes": found}


def machine_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Say how two machines differ; empty if they may be the same."""
    return [
        f"{key}: {one.get(key)}, {other.get(key)}"
        for key in MACHINE
        if one.get(key) != other.get(key)
    ]


def workload_hashes(workloads: Iterable[Workload], profile: str) -> dict[str, str]:
    """Return a short hash of each workload in a profile, without its titles."""
    return {
        workload.id: _hash(
            {
                **{k: v for k, v in asdict(workload).items() if k not in WORDS},
                "profiles": asdict(workload.profiles[profile]),
            }
        )
        for workload in workloads
    }


def backend_identity(header: RunHeader, backend: str) -> tuple[Any, ...] | None:
    """Return what identifies the version of a backend in a run; None if it did not take part."""
    info = next((info for info in header.backends if info.get("id") == backend), None)
    # An unavailable backend is described by its id and the reason alone.
    if info is None or "library" not in info:
        return None
    return (header.embcheck, *(info.get(key) for key in BACKEND))


def _hash(data: Mapping[str, Any]) -> str:
    # `str` names a user's arrays by the digest of their bytes (see `Given`).
    text = json.dumps(data, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

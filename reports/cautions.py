"""What a reader must know of a run before its results: another PyTorch, unconfined workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from embcheck.conformance.documentation.version import TORCH, other_torches
from embcheck.reports.untrusted import one_line


def other_torch_lines(infos: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say which backends run another PyTorch than the one whose documentation is the contract."""
    return [
        f"the contract is of PyTorch {TORCH}; {one_line(', '.join(names))} "
        f"{'run' if len(names) > 1 else 'runs'} {one_line(version, 40)}"
        for version, names in other_torches(infos).items()
    ]


def unconfined_lines(environments: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say which confinement of workers was missing, and why, from the environments of runs."""
    found: dict[str, None] = {}
    for environment in environments:
        why = one_line(environment.get("unconfined") or "no reason is given")
        # Compared with False: older records lack the key, which is no reason to warn.
        if environment.get("writes_confined") is False:
            found[f"workers are not confined, and can write wherever you can: {why}"] = None
        elif environment.get("signals_confined") is False:
            found[f"workers can signal your other processes: {why}"] = None
    return list(found)

"""The version of PyTorch whose documentation is the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TORCH = "2.13.0"
"""The same as in each file of `specs/documentation`; a test compares them."""


def other_torches(infos: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Map each version of PyTorch other than the contract's to the backends that run it.

    `infos` describes backends as the header of a run does.
    """
    found: dict[str, list[str]] = {}
    for info in infos:
        version = str(info.get("version", ""))
        # The part after `+` says how it was built: 2.13.0+cpu.
        if info.get("library") == "torch" and version.partition("+")[0] != TORCH:
            found.setdefault(version, []).append(str(info["id"]))
    return {version: list(dict.fromkeys(names)) for version, names in found.items()}

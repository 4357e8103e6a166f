"""The PyTorch whose documentation is the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TORCH = "2.13.0"
"""As each file in `specs/documentation` says; a test holds it to them."""


def other_torches(infos: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the backends that run another PyTorch than the contract's, by its version.

    `infos` describe backends as a run's header does.
    """
    found: dict[str, list[str]] = {}
    for info in infos:
        version = str(info.get("version", ""))
        # What follows `+` says how it was built: 2.13.0+cpu.
        if info.get("library") == "torch" and version.partition("+")[0] != TORCH:
            found.setdefault(version, []).append(str(info["id"]))
    return {version: list(dict.fromkeys(names)) for version, names in found.items()}

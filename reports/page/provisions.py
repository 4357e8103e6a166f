"""How backends provide operations: the library's own, or composed by the adapter from others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from embcheck.reports.merge import BackendEntry

NATIVE: Final = "native"
COMPOSED: Final = "composed"
_NOUNS: Final = {"embedding": "lookups", "embedding_bag": "bags", "one_hot": "one-hot vectors"}


def operations_of(entry: BackendEntry) -> dict[str, str]:
    """Return how a backend provides each operation, as the run's header states."""
    told: Any = entry.latest.get("operations")
    if not isinstance(told, Mapping):
        return {}
    return {
        str(name): str(how.get("provision", "") if isinstance(how, Mapping) else how)
        for name, how in told.items()
    }


def provision_text(entry: BackendEntry) -> str:
    """Say which operations are the library's own, and which are composed: `bags composed`."""
    told = operations_of(entry)
    found = {
        how: [noun for name, noun in _NOUNS.items() if told.get(name) == how]
        for how in (NATIVE, COMPOSED)
    }
    said = [f"{' and '.join(nouns)} {how}" for how, nouns in found.items() if nouns]
    # `lookups, bags and one-hot vectors native` says no more than `all native`.
    if len(said) == 1 and len(told) > 1:
        return f"all {NATIVE if found[NATIVE] else COMPOSED}"
    return ", ".join(said)

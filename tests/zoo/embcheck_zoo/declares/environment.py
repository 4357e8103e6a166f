"""What the library of this family reads when it is imported."""

from __future__ import annotations

from pathlib import Path


def environment(cache: Path) -> dict[str, str]:
    """Have the library keep what it compiles with what other adapters keep."""
    return {"ZOO_CACHE": str(cache / "zoo"), "ZOO_PLATFORM": "cpu"}

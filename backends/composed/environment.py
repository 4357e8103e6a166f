"""What CuPy reads when it is imported: where it keeps compiled kernels."""

from __future__ import annotations

from pathlib import Path


def environment(cache: Path) -> dict[str, str]:
    """Keep CuPy's kernels with what the other adapters keep."""
    return {"CUPY_CACHE_DIR": str(cache / "cupy")}

"""The variable that CuPy reads when it is imported: where to keep compiled kernels."""

from __future__ import annotations

from pathlib import Path


def environment(cache: Path) -> dict[str, str]:
    """Return the variable that makes CuPy keep its kernels below `cache`."""
    return {"CUPY_CACHE_DIR": str(cache / "cupy")}

"""The variable that Triton reads when it is imported: where to keep compiled kernels."""

from __future__ import annotations

from pathlib import Path


def environment(cache: Path) -> dict[str, str]:
    """Return the variable that makes Triton keep its kernels below `cache`."""
    return {"TRITON_CACHE_DIR": str(cache / "triton")}

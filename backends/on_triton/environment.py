"""What Triton reads when it is imported: where it keeps compiled kernels."""

from __future__ import annotations

from pathlib import Path


def environment(cache: Path) -> dict[str, str]:
    """Keep Triton's kernels with what the other adapters keep."""
    return {"TRITON_CACHE_DIR": str(cache / "triton")}

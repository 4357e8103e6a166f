"""The variables that JAX reads when it is imported: where to keep compiled code.

https://docs.jax.dev/en/latest/persistent_compilation_cache.html
"""

from __future__ import annotations

from pathlib import Path


def environment(cache: Path) -> dict[str, str]:
    """Return the variables that make JAX keep all compiled code; by itself it keeps nothing."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }

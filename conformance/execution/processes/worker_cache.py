"""Caches for exports and compiled code: each distribution of adapters has a folder of its own.

Later workers load what is in there as code. With folders of their own, adapters cannot plant code
that another author's adapter, or the harness, would load.
"""

from __future__ import annotations

import re
from pathlib import Path

from embcheck.conformance.contract.cache import CACHE, cache_place, why_not_ours
from embcheck.conformance.execution.discovery import known_backends

WORKERS = "workers"


def caches_below(folder: Path | str) -> dict[str, str]:
    """Return the variables that direct all caches of adapters and compilers to a folder.

    Adapters keep their libraries' caches below `EMBCHECK_CACHE`. CUDA's driver belongs to no
    adapter and has a variable of its own.
    """
    return {CACHE: str(folder), "CUDA_CACHE_PATH": str(Path(folder, "cuda"))}


def worker_cache(name: str) -> Path | None:
    """Return the cache folder of a backend; make it if it does not exist.

    None if it cannot be made, or if another user could write to it.
    """
    folder = cache_place() / WORKERS / _owner(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    places = (folder, folder.parent)  # `why_not_ours` looks at the cache itself too.
    return folder if all(why_not_ours(place) is None for place in places) else None


def _owner(name: str) -> str:
    """Return the name of the distribution that announces a backend.

    If only another interpreter has the backend, return its id after `@`, as no distribution is
    named.
    """
    point = known_backends().get(name)
    owner = point.dist.name if point is not None and point.dist is not None else f"@{name}"
    # It becomes the name of a folder, and must not lead out of the cache.
    return re.sub(r"[^\w.@-]", "-", owner).lower()

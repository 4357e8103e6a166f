"""Where a backend's workers keep exports and compiled code: each distribution has a folder.

What lies there is loaded as code by later workers. So an adapter can put nothing there that another
author's adapter would load, nor where the harness keeps its own.
"""

from __future__ import annotations

import re
from pathlib import Path

from embcheck.conformance.contract.cache import CACHE, cache_place, why_not_ours
from embcheck.conformance.execution.discovery import known_backends

WORKERS = "workers"


def caches_below(folder: Path | str) -> dict[str, str]:
    """Return the environment by which all that adapters and compilers keep goes to a folder.

    What libraries keep follows from `EMBCHECK_CACHE`, below which adapters declare it; the driver
    of CUDA belongs to none of them.
    """
    return {CACHE: str(folder), "CUDA_CACHE_PATH": str(Path(folder, "cuda"))}


def worker_cache(name: str) -> Path | None:
    """Return the folder for a backend, which is made if it is not there.

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
    """Return the distribution that brings a backend.

    Where only another interpreter knows it, the backend itself, by a name that no distribution has.
    """
    point = known_backends().get(name)
    owner = point.dist.name if point is not None and point.dist is not None else f"@{name}"
    # It becomes the name of a folder, and must not lead out of the cache.
    return re.sub(r"[^\w.@-]", "-", owner).lower()

"""Where exports and compiled code are kept from run to run."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return a folder of embcheck's cache: in $EMBCHECK_CACHE, or in the user's cache folder."""
    own, users = os.environ.get("EMBCHECK_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own) / name
    return (Path(users) if users else Path.home() / ".cache") / "embcheck" / name

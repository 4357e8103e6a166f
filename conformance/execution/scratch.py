"""A worker's folder for temporary files, which goes with whoever started it."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

HEADERS = "precompiled_headers"


def make_scratch(environment: Mapping[str, str]) -> TemporaryDirectory[str]:
    """Make a folder for the temporary files of workers that have such an environment."""
    scratch = TemporaryDirectory(prefix="embcheck-worker-", ignore_cleanup_errors=True)
    kernels = environment.get("TORCHINDUCTOR_CACHE_DIR")
    if kernels is not None:
        share_headers(Path(scratch.name), Path(kernels))
    return scratch


def share_headers(scratch: Path, kernels: Path) -> None:
    """Let Inductor find the headers that were precompiled for other workers beside its kernels.

    Each takes 8 s, and saves 3 s or more a kernel; but Inductor keeps them below the folder for
    temporary files, where the next worker would not find them. Where nothing can be kept, nothing
    is shared.
    """
    shared = kernels / HEADERS
    try:
        shared.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    own = scratch / f"torchinductor_{_user()}"
    own.mkdir()
    (own / HEADERS).symlink_to(shared.resolve(), target_is_directory=True)


def _user() -> str:
    """Name the user as Inductor does (its runtime/cache_dir_utils.py)."""
    try:
        name = getpass.getuser()
    except (KeyError, ModuleNotFoundError, OSError):
        name = f"uid_{os.getuid()}"
    return re.sub(r'[\\/:*?"<>|]', "_", name)

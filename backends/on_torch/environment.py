"""Where Inductor keeps compiled code from run to run, rid of what was killed while it was made.

Inductor believes every file that is there: after a linker that ended with its worker, the test
whether the machine has vector instructions fails for good, and all kernels are scalar from then on.
A precompiled header that GCC did not end is no danger, for GCC knows it; but none replaces it.
"""

from __future__ import annotations

import getpass
import os
import re
import struct
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from embcheck.conformance.contract.instructions import machine_instructions

HEADERS = "precompiled_headers"
LINKING_SECONDS = 60.0
"""A library that was written to later may still be in the making."""
_UNFINISHED_HEADER = b"gpcWrite"
"""How GCC's precompiled headers begin until they are written (its gcc/c-family/c-pch.cc)."""
_ELF_HEADER = struct.Struct("<4s36xQ10xHH2x")
"""Of 64 bits: the magic, the offset of the table of sections, and their size and number."""


def environment(cache: Path) -> dict[str, str]:
    """Have Inductor keep its kernels below the cache.

    Its keys say how many threads a kernel was made for, and not for which instructions, so each set
    has a folder of its own.
    """
    kernels = cache / "inductor" / _instructions()
    # Where Inductor looks for them, whatever TORCHINDUCTOR_CACHE_DIR is.
    headers = Path(tempfile.gettempdir(), f"torchinductor_{_user()}", HEADERS)
    if not headers.is_symlink():  # Or the worker that this one replaces has done both.
        _discard_cut_off(kernels.parent)
        _share_headers(headers, kernels / HEADERS)
    return {"TORCHINDUCTOR_CACHE_DIR": str(kernels)}


def _instructions() -> str:
    machines = machine_instructions()
    return os.environ.get("ATEN_CPU_CAPABILITY") or (machines[-1] if machines else "unknown")


def _share_headers(own: Path, shared: Path) -> None:
    """Let Inductor find the headers that were precompiled for other workers beside its kernels.

    Each takes 8 s, and saves 3 s or more a kernel; but Inductor keeps them below the folder for
    temporary files, where the next worker would not find them. Where nothing can be kept, nothing
    is shared.
    """
    try:
        shared.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    own.parent.mkdir(exist_ok=True)
    with suppress(FileExistsError):  # Inductor was here without us.
        own.symlink_to(shared.resolve(), target_is_directory=True)


def _user() -> str:
    """Name the user as Inductor does (its runtime/cache_dir_utils.py)."""
    try:
        name = getpass.getuser()
    except (KeyError, ModuleNotFoundError, OSError):
        name = f"uid_{os.getuid()}"
    return re.sub(r'[\\/:*?"<>|]', "_", name)


def _discard_cut_off(folder: Path) -> None:
    broken = {".so": is_cut_off, ".gch": is_unfinished}
    for file in folder.rglob("*.*"):
        if file.suffix in broken:
            with suppress(FileNotFoundError):  # another run discards the same
                # Another worker may be writing it.
                old = time.time() - file.stat().st_mtime > LINKING_SECONDS
                if old and broken[file.suffix](file):
                    file.unlink()


def is_unfinished(header: Path) -> bool:
    """Whether a precompiled header ends before GCC had written all of it."""
    with header.open("rb") as file:
        begin = file.read(len(_UNFINISHED_HEADER))
    return begin in {b"", _UNFINISHED_HEADER}


def is_cut_off(library: Path) -> bool:
    """Whether a shared library ends before its table of sections, which linkers write last."""
    with library.open("rb") as file:
        header = file.read(_ELF_HEADER.size)
    if len(header) < _ELF_HEADER.size:
        return True
    magic, offset, size, count = _ELF_HEADER.unpack(header)
    return bool(magic == b"\x7fELF" and library.stat().st_size < offset + size * count)

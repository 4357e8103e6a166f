"""The folder where Inductor keeps compiled code between runs, without unfinished files.

Inductor trusts every file in that folder. If a worker is killed while it links the test program for
vector instructions, that test fails in all later runs, and all kernels are scalar. GCC recognises a
precompiled header that it did not finish, but nothing replaces such a file.
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
"""A file that was written to within these seconds may still be in the making."""
_UNFINISHED_HEADER = b"gpcWrite"
"""How a precompiled header begins until GCC has written all of it (gcc/c-family/c-pch.cc)."""
_ELF_HEADER = struct.Struct("<4s36xQ10xHH2x")
"""The 64-bit header: magic, offset of the section table, size and number of its entries."""


def environment(cache: Path) -> dict[str, str]:
    """Return the variable that makes Inductor keep its kernels below `cache`.

    Inductor's cache keys hold the number of threads, but not the instructions that a kernel uses,
    so each instruction set has a folder of its own. Unfinished files are deleted here.
    """
    kernels = cache / "inductor" / _instructions()
    # Inductor looks for headers here, whatever TORCHINDUCTOR_CACHE_DIR is.
    headers = Path(tempfile.gettempdir(), f"torchinductor_{_user()}", HEADERS)
    if not headers.is_symlink():  # A link means that an earlier worker did both.
        _discard_cut_off(kernels.parent)
        _share_headers(headers, kernels / HEADERS)
    return {"TORCHINDUCTOR_CACHE_DIR": str(kernels)}


def _instructions() -> str:
    machines = machine_instructions()
    return os.environ.get("ATEN_CPU_CAPABILITY") or (machines[-1] if machines else "unknown")


def _share_headers(own: Path, shared: Path) -> None:
    """Link Inductor's folder for precompiled headers to one that all workers share.

    A header takes 8 s to compile, and saves 3 s or more for each kernel. By itself Inductor keeps
    headers below the folder for temporary files, where the next worker would not find them. If the
    shared folder cannot be made, nothing is shared.
    """
    try:
        shared.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    own.parent.mkdir(exist_ok=True)
    with suppress(FileExistsError):  # Inductor has made the folder itself.
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
            with suppress(FileNotFoundError):  # another run deletes the same files
                # Another worker may be writing it.
                old = time.time() - file.stat().st_mtime > LINKING_SECONDS
                if old and broken[file.suffix](file):
                    file.unlink()


def is_unfinished(header: Path) -> bool:
    """Return whether GCC was stopped before it had written all of a precompiled header."""
    with header.open("rb") as file:
        begin = file.read(len(_UNFINISHED_HEADER))
    return begin in {b"", _UNFINISHED_HEADER}


def is_cut_off(library: Path) -> bool:
    """Return whether a shared library lacks its section table, which linkers write last."""
    with library.open("rb") as file:
        header = file.read(_ELF_HEADER.size)
    if len(header) < _ELF_HEADER.size:
        return True
    magic, offset, size, count = _ELF_HEADER.unpack(header)
    return bool(magic == b"\x7fELF" and library.stat().st_size < offset + size * count)

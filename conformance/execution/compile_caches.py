"""Where libraries keep compiled code from run to run, rid of what was killed while it was made.

Inductor believes every file that is there: after a linker that ended with its worker, the test
whether the machine has vector instructions fails for good, and all kernels are scalar from then on.
A precompiled header that GCC did not end is no danger, for GCC knows it; but none replaces it.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.execution.processor import machine_instructions

LINKING_SECONDS = 60.0
"""A library that was written to later may still be in the making."""
_UNFINISHED_HEADER = b"gpcWrite"
"""How GCC's precompiled headers begin until they are written (its gcc/c-family/c-pch.cc)."""
_ELF_HEADER = struct.Struct("<4s36xQ10xHH2x")
"""Of 64 bits: the magic, the offset of the table of sections, and their size and number."""


def compile_caches(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment by which a library keeps compiled code from run to run.

    Inductor's keys say how many threads a kernel was made for, and not for which instructions, so
    each set has a folder of its own. Timings have `caches_below`, for they measure the first call.
    """
    inductor = cache_folder("inductor")
    _discard_cut_off(inductor)
    return {
        **_jax(cache_folder("jax")),
        "TORCHINDUCTOR_CACHE_DIR": str(inductor / _instructions(environment)),
    }


def caches_below(folder: Path) -> dict[str, str]:
    """Return the environment by which all that adapters and compilers keep goes to a folder."""
    return {
        "TMPDIR": str(folder),
        "EMBCHECK_CACHE": str(folder),
        **_jax(folder / "jax"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "TRITON_CACHE_DIR": str(folder / "triton"),
        "CUPY_CACHE_DIR": str(folder / "cupy"),
        "CUDA_CACHE_PATH": str(folder / "cuda"),
    }


def _jax(folder: Path) -> dict[str, str]:
    """Have JAX keep all that it compiles; by itself it keeps nothing."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def _instructions(environment: Mapping[str, str]) -> str:
    machines = machine_instructions()
    return environment.get("ATEN_CPU_CAPABILITY") or (machines[-1] if machines else "unknown")


@lru_cache
def _discard_cut_off(folder: Path) -> None:
    broken = {".so": is_cut_off, ".gch": is_unfinished}
    for file in folder.rglob("*.*"):
        if file.suffix in broken:
            with suppress(FileNotFoundError):  # another run discards the same
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

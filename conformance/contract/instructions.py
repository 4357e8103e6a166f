"""The sets of vector instructions, by the names that adapters and the harness have for them.

A set is named by the widest vectors: `default`, `avx2` or `avx512` on x86-64, `neon` or `sve` on
64-bit Arm; empty where nobody can tell.
"""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

X86_64 = {
    "default": frozenset[str](),
    "avx2": frozenset({"avx2", "fma"}),
    "avx512": frozenset({"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}),
}
ARM64 = {"neon": frozenset[str](), "sve": frozenset({"sve"})}
SETS = {"x86_64": X86_64, "amd64": X86_64, "aarch64": ARM64, "arm64": ARM64}
"""By machine, its sets of instructions, each with the features that a processor has for it."""


def machine_instructions(cpuinfo: Path = CPUINFO) -> tuple[str, ...]:
    """Return the sets of instructions that this machine has, the widest last."""
    sets = SETS.get(platform.machine().lower(), {})
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        # Every 64-bit Arm has NEON; of x86-64, nothing is known without the file.
        return ("neon",) if sets is ARM64 else ()
    # x86 writes `flags`, Arm `Features`, once for each core.
    words = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    features = frozenset(words.partition(":")[2].split())
    return tuple(name for name, needed in sets.items() if needed <= features)

"""The sets of vector instructions, under the names that adapters and the harness use.

A set is named after its widest vectors: `default`, `avx2` or `avx512` on x86-64, `neon` or `sve` on
64-bit Arm. The name is empty if the set is unknown.
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
"""The sets of instructions of each machine, each with the processor features that it needs."""


def machine_instructions(cpuinfo: Path = CPUINFO) -> tuple[str, ...]:
    """Return the sets of instructions that this machine has, the widest last; () if unknown."""
    sets = SETS.get(platform.machine().lower(), {})
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        # Every 64-bit Arm has NEON. For x86-64, nothing is known without the file.
        return ("neon",) if sets is ARM64 else ()
    # x86 writes `flags`, Arm `Features`, once for each core.
    words = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    features = frozenset(words.partition(":")[2].split())
    return tuple(name for name, needed in sets.items() if needed <= features)

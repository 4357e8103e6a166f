"""The number of threads and the vector instructions of a worker, and how to limit them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.instructions import machine_instructions

THREADS, INSTRUCTIONS = "EMBCHECK_THREADS", "EMBCHECK_INSTRUCTIONS"

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"),
    *("PJRT_NPROC", "TF_NUM_INTRAOP_THREADS"),
)
_EXACTLY = {"MKL_DYNAMIC": "FALSE", "OMP_DYNAMIC": "FALSE"}
"""Otherwise MKL, and so PyTorch, uses no more threads than there are cores."""

_NUMPY_AVX2 = ("X86_V3", "AVX2", "FMA3", "F16C", "AVX")
_NUMPY_AVX512 = (
    *("X86_V4", "AVX512F", "AVX512CD", "AVX512_SKX", "AVX512_CLX", "AVX512_CNL"),
    *("AVX512_ICL", "AVX512_SPR"),
)
_LIMITS = {
    "default": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "NPY_DISABLE_CPU_FEATURES": " ".join((*_NUMPY_AVX2, *_NUMPY_AVX512)),
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
        "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": " ".join(_NUMPY_AVX512),
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512"},
}
"""The variables that limit each library: PyTorch and Inductor, MKL, NumPy, oneDNN, OpenBLAS,
XLA."""


class NoSuchInstructions(Exception):
    """The machine lacks a set of instructions; the message says which it has."""


def limits_of_machine() -> tuple[str, ...]:
    """Return the sets of instructions that workers on this machine can be limited to."""
    return tuple(name for name in machine_instructions() if name in _LIMITS)


def processor_environment(threads: int | None, instructions: str | None) -> dict[str, str]:
    """Return the variables that limit workers to a number of threads and a set of instructions.

    None sets no limit. Raises NoSuchInstructions.
    """
    found: dict[str, str] = {}
    if threads is not None:
        found |= {THREADS: str(threads), **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        found |= _EXACTLY
    if instructions is not None:
        known = limits_of_machine()
        if instructions not in known:
            raise NoSuchInstructions(
                f"this machine has no {instructions}; it has {', '.join(known) or 'none to choose'}"
            )
        found |= {INSTRUCTIONS: instructions, **_limits(instructions)}
    return found


def _limits(instructions: str) -> dict[str, str]:
    """Return the variables that limit libraries to a set; XLA_FLAGS keeps the caller's flags."""
    limits = dict(_LIMITS.get(instructions, {}))
    # XLA reads all of its flags from one variable, in which the caller's must stay.
    flags = os.environ.get("XLA_FLAGS")
    if flags and "XLA_FLAGS" in limits:
        limits["XLA_FLAGS"] = f"{flags} {limits['XLA_FLAGS']}"
    return limits


def confine_to_cores(environment: Mapping[str, str] = os.environ) -> None:
    """Confine this process to as many cores as it is to have threads, or to all if there are fewer.

    Some thread pools read no variable, and have a thread for each core that the process may use.
    The process id decides which cores are used, or all workers would share the first ones.
    """
    threads = int(environment.get(THREADS, "0"))
    if threads and hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(allowed)
        os.sched_setaffinity(0, {*(allowed[first:] + allowed[:first])[:threads]})


def with_processor(info: BackendInfo) -> BackendInfo:
    """Return an info with the worker's number of threads and set of instructions.

    They are what the library reports, or else what the environment and the machine give.
    """
    return replace(
        info,
        threads=info.threads or _threads(),
        instructions=info.instructions or _instructions(),
    )


def _threads() -> int:
    # OpenMP also takes a list with a number for each nesting level, the outermost first.
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(said) if said.isdecimal() and int(said) else _cores()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _instructions() -> str:
    """Return the widest set of the machine, or the one that a worker is limited to."""
    known = machine_instructions()
    asked = os.environ.get(INSTRUCTIONS, "")
    return asked or (known[-1] if known else "")

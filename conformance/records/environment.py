"""Describe the machine and the interpreter of a run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from embcheck.conformance.execution.processes.confinement import confinement
from embcheck.conformance.timing.clock.machine import cores


def describe_environment() -> dict[str, Any]:
    """Return what a reader needs to know of the machine, and whether workers are confined.

    No names of hosts or users are included.
    """
    can = confinement()
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": cores(),
        "memory_gib": _memory_gib(),
        "writes_confined": can.writes,
        "signals_confined": can.signals,
        "unconfined": can.reason,
    }


def embcheck_version() -> str:
    """Return the version of the installed embcheck."""
    try:
        return version("embcheck")
    except PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None

"""Helpers for a CUDA device: check that there is one, wait for it, and time its work.

The time is measured by events on its stream. This file was written without access to a GPU.

https://docs.pytorch.org/docs/2.13/generated/torch.cuda.Event.html
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

from embcheck.conformance.contract.backend import Unavailable

Answered = TypeVar("Answered")

cuda: Any = torch.cuda

OCCUPYING_CYCLES = 200_000
"""About 0.1 ms at 2 GHz: longer than PyTorch takes to enqueue a lookup."""

SMI = ("nvidia-smi", "--format=csv,noheader,nounits")
QUERY = ("clocks.sm", "clocks.max.sm", "clocks.mem", "clocks_throttle_reasons.active")
THROTTLING = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""The bits of nvmlClocksThrottleReasons that the user has not chosen."""


def blocking(run: Callable[[], Answered], device: str) -> Callable[[], Answered]:
    """Return `run`, which on CUDA also waits for the device after each run."""

    def run_and_wait() -> Answered:
        answer = run()
        torch.cuda.synchronize()
        return answer

    return run_and_wait if device == "cuda" else run


def require_cuda() -> None:
    """Raise Unavailable without a CUDA device.

    Only the driver is asked, since a process that has initialised CUDA cannot be forked.
    https://docs.pytorch.org/docs/2.13/cuda_environment_variables.html
    """
    # Without this variable, PyTorch would initialise CUDA to answer.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    if not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} finds no CUDA device")


class CudaClock:
    """A clock for the work that is enqueued between `start` and `stop`, by CUDA events."""

    def __init__(self) -> None:
        self._begin, self._end = (cuda.Event(enable_timing=True) for _ in range(2))
        cache: int = torch.cuda.get_device_properties(0).L2_cache_size
        self._flushed = torch.empty(4 * cache, dtype=torch.int8, device="cuda")

    def flush(self) -> None:
        """Overwrite four times the L2 cache."""
        self._flushed.zero_()

    def occupy(self) -> None:
        """Keep the stream busy while the host enqueues what is timed."""
        cuda._sleep(OCCUPYING_CYCLES)  # noqa: SLF001  (PyTorch's own benchmarks use it)

    def start(self) -> None:
        """Enqueue the first event."""
        self._begin.record()

    def stop(self) -> None:
        """Enqueue the last event."""
        self._end.record()

    def seconds(self) -> float:
        """Wait for the last event, and return the seconds between the two events."""
        self._end.synchronize()
        return float(self._begin.elapsed_time(self._end)) / 1e3

    def state(self) -> Mapping[str, Any]:
        """Read the clock rates in MHz; `throttled` names what lowers them, or is empty."""
        done = subprocess.run(  # noqa: S603  (no shell, and nothing of the user's in it)
            [*SMI, f"--query-gpu={','.join(QUERY)}"], capture_output=True, text=True, check=True
        )
        return read_state(done.stdout)


def read_state(text: str) -> Mapping[str, Any]:
    """Read the first line that nvidia-smi prints for `QUERY`."""
    now, most, memory, reasons = (part.strip() for part in text.splitlines()[0].split(","))
    active = int(reasons, 16)
    return {
        "sm_mhz": int(now),
        "max_sm_mhz": int(most),
        "memory_mhz": int(memory),
        "throttled": ", ".join(name for bit, name in THROTTLING.items() if active & bit),
    }

"""The threads and the vector instructions that PyTorch reports to use.

https://docs.pytorch.org/docs/2.13/generated/torch.get_num_threads.html
https://docs.pytorch.org/docs/2.13/backends.html#torch.backends.cpu.get_cpu_capability
"""

from __future__ import annotations

import platform
from typing import TypedDict

import torch


class Processor(TypedDict):
    """The fields `threads` and `instructions` of a backend's info."""

    threads: int
    instructions: str


def processor() -> Processor:
    """Return PyTorch's number of threads, and its instructions as the harness names them."""
    said = torch.backends.cpu.get_cpu_capability().lower()
    if said.startswith("sve"):
        said = "sve"
    # On Arm PyTorch says `default`, which is NEON: all 64-bit Arm processors have it.
    elif platform.machine().lower() in {"aarch64", "arm64"}:
        said = "neon"
    return {"threads": torch.get_num_threads(), "instructions": said}

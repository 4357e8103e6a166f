"""The operations of OpenVINO's newest opset that an adapter asks for.

Releases before 2026 list only new operations in opset 16; the others are the same as in opset 15.
Releases before 2025 have no opset 16, and keep opset 15 in `openvino.runtime`.
"""

from __future__ import annotations

from typing import Any

import openvino

try:
    from openvino import opset15, opset16
except ImportError:
    from openvino.runtime import opset15

    opset16 = opset15

NAME = opset16.__name__.rpartition(".")[2]
"""`opset16`, or what the newest one is called in this release."""


def __getattr__(name: str) -> Any:
    """Return an operation; raise AttributeError if neither opset has it."""
    # The newest first, since it may have another version of an operation.
    for opset in (opset16, opset15):
        if hasattr(opset, name):
            return getattr(opset, name)
    raise AttributeError(f"OpenVINO {openvino.__version__} has no operation {name}")

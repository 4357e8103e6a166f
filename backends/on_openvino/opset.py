"""The operations of OpenVINO's opset 16.

Releases before 2026 list only its new ones there; of the others, those of opset 15 are the same.
"""

from __future__ import annotations

from typing import Any

import openvino.opset15
import openvino.opset16


def __getattr__(name: str) -> Any:
    """Return an operation; raises AttributeError for one that neither has."""
    newest = getattr(openvino.opset16, name, None)
    return getattr(openvino.opset15, name) if newest is None else newest

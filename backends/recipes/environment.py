"""What the recipes' libraries read when they are imported; of them, OpenVINO reports its import."""

from __future__ import annotations

from embcheck.backends.on_openvino.environment import environment

__all__ = ["environment"]

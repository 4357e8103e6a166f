"""The variables that the recipes' libraries read when they are imported: OpenVINO's."""

from __future__ import annotations

from embcheck.backends.on_openvino.environment import environment

__all__ = ["environment"]

"""ONNX's reference evaluator, on the graphs that `onnxruntime-dynamo` runs."""

from __future__ import annotations

from embcheck.backends.on_onnx.evaluator import OnnxReference
from embcheck.backends.on_onnx.exporters import dynamo


def on_cpu() -> OnnxReference:
    """Make the backend `onnx-reference-dynamo`."""
    return OnnxReference("onnx-reference-dynamo", dynamo, "torch-export")

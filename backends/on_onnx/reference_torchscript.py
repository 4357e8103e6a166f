"""ONNX's reference evaluator, on the graphs that `onnxruntime-torchscript` runs."""

from __future__ import annotations

from embcheck.backends.on_onnx.evaluator import OnnxReference
from embcheck.backends.on_onnx.exporters import torchscript


def on_cpu() -> OnnxReference:
    """Make the backend `onnx-reference-torchscript`."""
    return OnnxReference("onnx-reference-torchscript", torchscript, "torchscript-trace")

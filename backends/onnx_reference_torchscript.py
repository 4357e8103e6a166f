"""ONNX's reference evaluator, on the graphs that `onnxruntime-torchscript` runs."""

from __future__ import annotations

from embcheck.backends.onnx_evaluator import OnnxReference
from embcheck.backends.onnx_exporters import torchscript


def on_cpu() -> OnnxReference:
    """Make the backend `onnx-reference-torchscript`."""
    return OnnxReference("onnx-reference-torchscript", torchscript, "torchscript-trace")

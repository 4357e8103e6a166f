"""ONNX Runtime, on graphs from `torch.onnx.export(..., dynamo=False)`, PyTorch's older exporter."""

from __future__ import annotations

from embcheck.backends.on_onnx.exporters import torchscript
from embcheck.backends.on_onnx.sessions import OnnxRuntime


def on_cpu() -> OnnxRuntime:
    """Make the backend `onnxruntime-torchscript`."""
    return OnnxRuntime("onnxruntime-torchscript", torchscript, "onnx-reference-torchscript")

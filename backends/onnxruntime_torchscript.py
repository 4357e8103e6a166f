"""ONNX Runtime, on graphs from `torch.onnx.export(..., dynamo=False)`, PyTorch's older exporter."""

from __future__ import annotations

from embcheck.backends.onnx_exporters import torchscript
from embcheck.backends.onnxruntime_sessions import OnnxRuntime


def on_cpu() -> OnnxRuntime:
    """Make the backend `onnxruntime-torchscript`."""
    return OnnxRuntime("onnxruntime-torchscript", torchscript, "onnx-reference-torchscript")

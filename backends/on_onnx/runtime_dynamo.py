"""ONNX Runtime, on graphs from `torch.onnx.export(..., dynamo=True)`, the exporter in PyTorch."""

from __future__ import annotations

from embcheck.backends.on_onnx.exporters import dynamo
from embcheck.backends.on_onnx.sessions import OnnxRuntime


def on_cpu() -> OnnxRuntime:
    """Make the backend `onnxruntime-dynamo`."""
    return OnnxRuntime("onnxruntime-dynamo", dynamo, "onnx-reference-dynamo")


def on_cuda() -> OnnxRuntime:
    """Make the backend `onnxruntime-dynamo@cuda`; raises Unavailable without its provider."""
    return OnnxRuntime("onnxruntime-dynamo@cuda", dynamo, "onnx-reference-dynamo", "cuda")

"""Graphs that PyTorch exports to ONNX, in ONNX Runtime and in ONNX's evaluator."""

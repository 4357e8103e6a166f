"""Kernels written in Triton, compiled or interpreted."""

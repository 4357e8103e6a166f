"""Probes: what only PyTorch itself can be asked. A module a theme, a function a probe."""

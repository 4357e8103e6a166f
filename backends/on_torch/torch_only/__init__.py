"""Probes of what only PyTorch has: each module is a theme, each public function a probe."""

"""OpenVINO by its own operations, and by models that it converts from PyTorch."""

"""PyTorch: eager, exported, compiled, functional, sharded, TorchScript; and its probes."""

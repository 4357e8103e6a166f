"""Keras on PyTorch: operations and layers; gradients of `torch.autograd`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

os.environ["KERAS_BACKEND"] = "torch"

from embcheck.backends.on_keras.calls import Engine, KerasCalls


def gradient(loss: Callable[[Any], Any], source: Any) -> Any:
    """Differentiate a scalar function at a tensor."""
    # A new leaf, so that the caller's tensor stays as it is.
    leaf = source.detach().requires_grad_()
    return torch.autograd.grad(loss(leaf), leaf)[0]


def on_cpu() -> KerasCalls:
    """Make the backend `keras-torch`."""
    engine = Engine(
        "torch",
        imports="import torch\n",
        gradient=gradient,
        made_from="torch-eager",
        survives_fork=True,
    )
    return KerasCalls(engine)

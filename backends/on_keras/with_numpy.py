"""Keras on NumPy: operations and layers; there are no gradients."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "numpy"

from embcheck.backends.on_keras.calls import Engine, KerasCalls


def on_cpu() -> KerasCalls:
    """Make the backend `keras-numpy`."""
    return KerasCalls(Engine("numpy", survives_fork=True))

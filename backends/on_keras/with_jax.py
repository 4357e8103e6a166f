"""Keras on JAX: operations and layers, dispatched as they are called; gradients of `jax.grad`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax

# Keras reads this once, when it is first imported: by the next line.
os.environ["KERAS_BACKEND"] = "jax"

from embcheck.backends.on_keras.calls import Engine, KerasCalls


def gradient(loss: Callable[[Any], Any], source: Any) -> Any:
    """Differentiate a scalar function at a tensor."""
    return jax.grad(loss)(source)


def on_cpu() -> KerasCalls:
    """Make the backend `keras-jax`."""
    config: Any = jax.config
    # Otherwise JAX makes 32 bits of float64 tables and int64 indices, as `jax-take-x32` shows.
    config.update("jax_enable_x64", val=True)
    engine = Engine(
        "jax",
        imports='import jax\n\njax.config.update("jax_enable_x64", True)\n',
        gradient=gradient,
        finish=jax.block_until_ready,
        made_from="jax-take",
        settings={"jax_enable_x64": "True; the default is False"},
    )
    return KerasCalls(engine)

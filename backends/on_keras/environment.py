"""What Keras's own backends read when they are imported; of them, JAX compiles."""

from __future__ import annotations

from embcheck.backends.on_jax.environment import environment

__all__ = ["environment"]

"""The variables that Keras's backends read when they are imported: those of JAX."""

from __future__ import annotations

from embcheck.backends.on_jax.environment import environment

__all__ = ["environment"]

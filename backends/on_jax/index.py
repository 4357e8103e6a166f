"""JAX's indexing, `weight[indices]`, as NumPy's users write it.

Negative indices count from the end; the others that are out of range are clamped to the nearest
row, as JAX documents it: "the index is clamped to the bounds of the array".
https://docs.jax.dev/en/latest/notebooks/Common_Gotchas_in_JAX.html#out-of-bounds-indexing
"""

from __future__ import annotations

import jax

from embcheck.backends.on_jax.calls import JaxCalls, bags_of, info_of, use_cuda
from embcheck.backends.on_jax.observe import Way
from embcheck.backends.on_jax.script import Written

_ROWS = "weight[indices]"


def _index(weight: jax.Array, indices: jax.Array) -> jax.Array:
    return weight[indices]


def _make(name: str, device: str) -> JaxCalls:
    way = Way(_index, Written(lambda _: _ROWS))
    return JaxCalls(info_of(name, device, bags_of(_ROWS)), way)


def on_cpu() -> JaxCalls:
    """Make the backend `jax-index`."""
    return _make("jax-index", "cpu")


def on_cuda() -> JaxCalls:
    """Make the backend `jax-index@cuda`; raises Unavailable without a GPU."""
    return _make("jax-index@cuda", use_cuda())

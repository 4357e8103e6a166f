"""JAX's strictest spelling of a lookup that `jax.jit` compiles: `weight.at[indices].get(...)`.

With `mode="fill"` and `wrap_negative_indices=False`, every index that names no row gives the fill
value: NaN, as documented for "fill"; here it is given, for all dtypes.
https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from embcheck.backends.on_jax.calls import JaxCalls, bags_of, info_of, use_cuda
from embcheck.backends.on_jax.observe import Way
from embcheck.backends.on_jax.script import Written

_ROWS = 'weight.at[indices].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)'


def _get(weight: jax.Array, indices: jax.Array) -> jax.Array:
    # The fill value is given, since "fill" by itself has NaN only for floats.
    return weight.at[indices].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


def _make(name: str, device: str) -> JaxCalls:
    way = Way(_get, Written(lambda _: _ROWS))
    return JaxCalls(info_of(name, device, bags_of(_ROWS)), way)


def on_cpu() -> JaxCalls:
    """Make the backend `jax-strict`."""
    return _make("jax-strict", "cpu")


def on_cuda() -> JaxCalls:
    """Make the backend `jax-strict@cuda`; raises Unavailable without a GPU."""
    return _make("jax-strict@cuda", use_cuda())

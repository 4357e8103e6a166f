"""JAX's plainest spelling of a lookup, `jnp.take(weight, indices, axis=0)`.

`jnp.take` keeps its default mode, "fill": a negative index counts from the end, and one that is
out of range gives NaN, or an extreme value for integers.
https://docs.jax.dev/en/latest/_autosummary/jax.numpy.take.html

`jax-take` keeps 64-bit dtypes, which has to be asked for; `jax-take-x32` is JAX as it comes, which
makes 32 bits of each.
https://docs.jax.dev/en/latest/default_dtypes.html
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from embcheck.backends.on_jax import spellings
from embcheck.backends.on_jax.calls import JaxCalls, bags_of, info_of, use_cuda
from embcheck.backends.on_jax.observe import Answer, Way
from embcheck.backends.on_jax.script import Written
from embcheck.conformance.contract.backend import Provided, Provision
from embcheck.conformance.contract.call import Call, Operation

_ROWS = "jnp.take(weight, indices, axis=0)"

_OPERATIONS = {
    **bags_of(_ROWS),
    Operation.ONE_HOT: Provided(
        Provision.NATIVE, "jax.nn.one_hot(indices, num_classes, dtype=jnp.int64)"
    ),
}


def _take(weight: jax.Array, indices: jax.Array) -> jax.Array:
    return jnp.take(weight, indices, axis=0)


class _Take(JaxCalls):
    """The adapter for `jnp.take`, with the other spellings of a lookup."""

    def spellings(self, call: Call) -> dict[str, Callable[[], Answer]]:
        """Return the other ways in which JAX users gather rows."""
        return {**spellings.spellings(call), **super().spellings(call)}


def _make(name: str, device: str, *, wide: bool = True) -> JaxCalls:
    way = Way(_take, Written(lambda _: _ROWS, wide=wide))
    return _Take(info_of(name, device, _OPERATIONS), way)


def on_cpu() -> JaxCalls:
    """Make the backend `jax-take`."""
    return _make("jax-take", "cpu")


def with_32_bits() -> JaxCalls:
    """Make the backend `jax-take-x32`: JAX as it is by default, without 64-bit dtypes."""
    return _make("jax-take-x32", "cpu", wide=False)


def on_cuda() -> JaxCalls:
    """Make the backend `jax-take@cuda`; raises Unavailable without a GPU."""
    return _make("jax-take@cuda", use_cuda())

"""`jnp.take` from a table that is sharded by rows over two devices, which the host simulates.

`jax.device_put` lays the table out by a `NamedSharding`, and everything else whole on each device;
`jax.jit` divides the computation. A table of an odd number of rows, which `device_put` refuses to
lay out, is sharded by `jax.lax.with_sharding_constraint`, inside jit. Bags are composed as those
of `jax-take`.
https://docs.jax.dev/en/latest/notebooks/Distributed_arrays_and_automatic_parallelization.html
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from embcheck.backends.on_jax.calls import JaxCalls, bags_of, config, info_of
from embcheck.backends.on_jax.observe import Way
from embcheck.backends.on_jax.script import Written
from embcheck.conformance.contract.backend import Unavailable
from embcheck.conformance.contract.call import Call

_SHARDS = 2
_ROWS = "jnp.take(jax.lax.with_sharding_constraint(weight, by_rows), indices, axis=0)"
_SETTING = (
    f'jax.config.update("jax_num_cpu_devices", {_SHARDS})',
    'mesh = jax.sharding.Mesh(jax.devices("cpu"), ("rows",))',
    'by_rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))',
    "whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())",
)


def _is_divisible(name: str, array: np.ndarray) -> bool:
    return name == "weight" and array.ndim > 0 and len(array) % _SHARDS == 0


def _write_place(call: Call, name: str) -> str:
    sharding = "by_rows" if _is_divisible(name, call.inputs[name]) else "whole"
    return f"jax.device_put({name}, {sharding})"


def _way() -> Way:
    sharding: Any = jax.sharding
    mesh = sharding.Mesh(jax.devices(), ("rows",))
    by_rows = sharding.NamedSharding(mesh, sharding.PartitionSpec("rows"))
    whole = sharding.NamedSharding(mesh, sharding.PartitionSpec())
    constrain: Any = jax.lax.with_sharding_constraint

    # A table with an odd number of rows comes whole, since `device_put` refuses to divide it.
    def look_up(weight: jax.Array, indices: jax.Array) -> jax.Array:
        return jnp.take(constrain(weight, by_rows), indices, axis=0)

    def place(name: str, array: np.ndarray) -> Any:
        return jax.device_put(array, by_rows if _is_divisible(name, array) else whole)

    written = Written(lambda _: _ROWS, setting=_SETTING, place=_write_place)
    return Way(look_up, written, place=place)


def on_cpu() -> JaxCalls:
    """Make the backend `jax-sharded`; raises Unavailable where JAX does not simulate devices."""
    # Read when JAX first makes its devices, and refused afterwards.
    config.update("jax_num_cpu_devices", _SHARDS)
    if jax.device_count() != _SHARDS:
        raise Unavailable(f"JAX has {jax.device_count()} devices, and not {_SHARDS}")
    operations = bags_of("jnp.take(weight, indices, axis=0), weight sharded by rows over 2")
    return JaxCalls(info_of("jax-sharded", "cpu", operations, "jax-take"), _way())

"""Observations of a call in JAX: output, gradients, and a training step, all under `jax.jit`.

A way looks up rows in a table, which is the weight itself or a module that holds it. Bags are
composed: the rows are looked up, multiplied by the per-sample weights, and reduced. Without offsets
they are reduced along an axis. With offsets `jax.ops` reduces segments, which are numbered as
`jax.experimental.sparse` numbers the rows of CSR. Empty bags get no special treatment.
`jax.nn.one_hot` gives floats by default, so it is told PyTorch's dtype. Gradients come from
`jax.grad`. JAX has no optimiser; a library built on it may document one for the training step.

One jitted function serves all calls, and compiles once for each set of shapes, dtypes and options.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.on_jax.script import Written
from embcheck.conformance.contract.call import (
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)

Arrays = dict[Any, Any]
"""Arrays by name; the weight may be a module that holds it."""

Answer = tuple[Arrays, Arrays]
"""The observations, and the arrays that the library was handed."""

# JAX returns before it has computed: without waiting, there would be no errors and no times.
finished: Callable[[Any], Any] = jax.block_until_ready

REDUCTIONS: dict[str, Callable[..., jax.Array]] = {
    "sum": jnp.sum,
    "mean": jnp.mean,
    "max": jnp.max,
}

_EARLIER_USES: dict[Observation, Callable[[jax.Array], jax.Array]] = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: lambda weight: weight,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: jnp.copy,
}


@dataclass(frozen=True)
class Way:
    """One way of looking up rows: `look_up(table, indices)`, and how that is written."""

    look_up: Callable[[Any, jax.Array], jax.Array]
    written: Written
    make_table: Callable[[Call, Any], Any] = lambda _, weight: weight
    """Makes the table of a call from its weight, or from None for a fresh module."""
    weight_of: Callable[[Any], jax.Array] = lambda table: table
    place: Callable[[str, np.ndarray], Any] = lambda _, array: jnp.asarray(array)
    options: frozenset[str] = frozenset({"mode", "include_last_offset", "num_classes"})
    """The options that the way takes."""
    train: Callable[[str, Any, Any], Any] | None = None
    """Takes an observation, a table and its gradient, and returns the table after one step of the
    observation's optimiser. None if the library documents no optimiser."""


class Spelling(NamedTuple):
    """The parts of a call that are fixed when it is compiled."""

    # Hashable, as a static argument of `jax.jit` must be; jit compiles once for each value.
    way: Way
    operation: Operation
    mode: str
    include_last_offset: bool
    num_classes: int


@partial(jax.jit, static_argnums=1)
def look_up(arrays: Arrays, spelling: Spelling) -> jax.Array:
    """Return the output of a call."""
    if spelling.operation is Operation.ONE_HOT:
        return jax.nn.one_hot(arrays["indices"], spelling.num_classes, dtype=jnp.int64)
    rows = spelling.way.look_up(arrays["weight"], arrays["indices"])
    if not spelling.operation.is_bag:
        return rows
    if "per_sample_weights" in arrays:
        rows = rows * arrays["per_sample_weights"][..., None]
    if "offsets" in arrays:
        return _reduce_segments(rows, arrays["offsets"], spelling)
    return REDUCTIONS[spelling.mode](rows, axis=1)


def _reduce_segments(rows: jax.Array, offsets: jax.Array, spelling: Spelling) -> jax.Array:
    bounds = offsets if spelling.include_last_offset else jnp.append(offsets, len(rows))
    sizes = jnp.diff(bounds)
    # The last bound may lie behind the last row: JAX documents that it drops such an update.
    bags = jnp.zeros(len(rows), int).at[bounds].add(1).cumsum() - 1
    # JAX requires the number of segments here, since jit cannot read it from values.
    if spelling.mode == "max":
        return jax.ops.segment_max(rows, bags, num_segments=len(sizes))
    sums = jax.ops.segment_sum(rows, bags, num_segments=len(sizes))
    # The mean of an empty bag is 0 / 0 here as in users' code: the suite reports the NaN.
    return sums / sizes[:, None] if spelling.mode == "mean" else sums


@partial(jax.jit, static_argnums=(1, 2))
def observe(arrays: Arrays, spelling: Spelling, wanted: tuple[str, ...]) -> Arrays:
    """Look up, and compute the other observations in `wanted`."""
    output = look_up(arrays, spelling)
    upstream = arrays.get("grad_output", jnp.ones_like(output))
    weight_of = spelling.way.weight_of
    observed = {"output": output}

    def loss(source: Any, name: str) -> Any:
        return (look_up({**arrays, name: source}, spelling) * upstream).sum()

    def loss_after(use: Callable[[jax.Array], jax.Array], table: Any) -> Any:
        output = look_up({**arrays, "weight": table}, spelling)
        return jnp.square(use(weight_of(table))).sum() + output.sum()

    for observation, name in GRADIENTS.items():
        if observation in wanted:
            # The gradient of a module is a module of gradients.
            gradient = jax.grad(loss)(arrays[name], name)
            observed[observation] = weight_of(gradient) if name == "weight" else gradient
    for observation, use in _EARLIER_USES.items():
        if observation in wanted:
            observed[observation] = weight_of(jax.grad(partial(loss_after, use))(arrays["weight"]))
    if (train := spelling.way.train) is not None:
        for name in TRAINING_OBSERVATIONS.intersection(wanted):
            gradient = jax.grad(loss)(arrays["weight"], "weight")
            observed[name] = weight_of(train(name, arrays["weight"], gradient))
    if Observation.PRODUCT in wanted:
        observed[Observation.PRODUCT] = output.astype(arrays["weight"].dtype) @ arrays["weight"]
    return observed

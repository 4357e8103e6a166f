"""Equinox's module for lookups, `eqx.nn.Embedding`, called under `jax.jit`.

It takes one index, a scalar; for more its documentation says to use `jax.vmap`, which is done once
for each dimension of the indices. It looks up by `weight[index]`, so what JAX documents of indexing
holds. Modules are pytrees, so `jax.jit` and `jax.grad` take them as they are. A training step is
one of Optax's optimisers, whose updates `eqx.apply_updates` applies, as Equinox documents it.
https://docs.kidger.site/equinox/api/nn/embedding/
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax

from embcheck.backends.on_jax.calls import TRAINED, JaxCalls, use_cuda
from embcheck.backends.on_jax.observe import Way
from embcheck.backends.on_jax.optax_steps import OPTIMISERS
from embcheck.backends.on_jax.script import Written
from embcheck.conformance.contract.backend import BackendInfo, Capability, Provided, Provision
from embcheck.conformance.contract.call import Call, Operation

_HOLDING = "eqx.nn.Embedding(weight=weight)"
_FRESH = (
    "eqx.nn.Embedding({num_embeddings}, {embedding_dim}, dtype={dtype!r}, key=jax.random.key(0))"
)
_OPERATIONS = {
    Operation.EMBEDDING: Provided(Provision.NATIVE, f"jax.vmap({_HOLDING})(indices)"),
    Operation.EMBEDDING_FROM_PRETRAINED: Provided(
        Provision.NATIVE, f"jax.vmap({_HOLDING})(indices)"
    ),
    Operation.EMBEDDING_MODULE: Provided(
        Provision.NATIVE,
        "jax.vmap(eqx.nn.Embedding(num_embeddings, embedding_dim, dtype=dtype, key=key))(indices)",
    ),
}


def _options_of(call: Call) -> dict[str, Any]:
    # PyTorch's default dtype: with 64-bit dtypes on, Equinox would draw a weight of float64.
    return {"dtype": "float32", **call.options}


def _make_table(call: Call, weight: Any) -> eqx.nn.Embedding:
    if call.operation is not Operation.EMBEDDING_MODULE:
        return eqx.nn.Embedding(weight=weight)
    options = _options_of(call)
    return eqx.nn.Embedding(
        options["num_embeddings"],
        options["embedding_dim"],
        dtype=options["dtype"],
        key=jax.random.key(0),
    )


def _write_table(call: Call) -> str:
    is_fresh = call.operation is Operation.EMBEDDING_MODULE
    return _FRESH.format(**_options_of(call)) if is_fresh else _HOLDING


def _write_rows(call: Call) -> str:
    dimensions = call.inputs["indices"].ndim
    return f"{'jax.vmap(' * dimensions}table{')' * dimensions}(indices)"


def _look_up(table: eqx.nn.Embedding, indices: jax.Array) -> Any:
    mapped: Any = table
    for _ in range(indices.ndim):
        mapped = jax.vmap(mapped)
    return mapped(indices)


def _train(name: str, table: eqx.nn.Embedding, gradient: eqx.nn.Embedding) -> eqx.nn.Embedding:
    # Optax keeps a state for each leaf, but some fields of a module are not parameters.
    optimiser, parameters = OPTIMISERS[name](), eqx.filter(table, eqx.is_inexact_array)
    updates, _ = optimiser.update(gradient, optimiser.init(parameters), parameters)
    trained: eqx.nn.Embedding = eqx.apply_updates(table, updates)
    return trained


_WAY = Way(
    _look_up,
    Written(
        _write_rows,
        imports=("import equinox as eqx", "import optax"),
        train=(
            "optimiser = {optimiser}",
            "parameters = eqx.filter(table, eqx.is_inexact_array)",
            "updates, _ = optimiser.update(gradient, optimiser.init(parameters), parameters)",
            "trained = eqx.apply_updates(table, updates)",
        ),
        table=_write_table,
        weight="table.weight",
    ),
    make_table=_make_table,
    weight_of=lambda table: table.weight,
    options=frozenset({"num_embeddings", "embedding_dim", "dtype", "freeze"}),
    train=_train,
)


def _make(name: str, device: str) -> JaxCalls:
    info = BackendInfo(
        id=name,
        library="equinox",
        modules=("equinox", "jax", "jaxlib"),
        version=eqx.__version__,
        device=device,
        operations=_OPERATIONS,
        capabilities=frozenset({Capability.GRADIENTS, *TRAINED}),
        made_from="jax-index",
    )
    return JaxCalls(info, _WAY)


def on_cpu() -> JaxCalls:
    """Make the backend `equinox`."""
    return _make("equinox", "cpu")


def on_cuda() -> JaxCalls:
    """Make the backend `equinox@cuda`; raises Unavailable without a GPU."""
    return _make("equinox@cuda", use_cuda())

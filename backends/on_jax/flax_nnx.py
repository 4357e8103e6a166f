"""Flax's module for lookups, `nnx.Embed`, called under `jax.jit`.

The caller's table goes in through `embedding_init`. `nnx.Embed` documents that it looks up with
NaN where an index is too large, and, of a table with one row, gives that row for every index.
Modules are pytrees, so `jax.jit` and `jax.grad` take them as they are. A training step is one of
`nnx.Optimizer`, over the module's parameters.
https://flax.readthedocs.io/en/latest/api_reference/nnx/nn/linear.html#flax.nnx.Embed
https://flax.readthedocs.io/en/latest/guides/pytree.html
"""

from __future__ import annotations

from typing import Any

import flax
import jax
from flax import nnx

from embcheck.backends.on_jax.calls import TRAINED, JaxCalls, use_cuda
from embcheck.backends.on_jax.observe import Way
from embcheck.backends.on_jax.optax_steps import OPTIMISERS
from embcheck.backends.on_jax.script import Written
from embcheck.conformance.contract.backend import BackendInfo, Capability, Provided, Provision
from embcheck.conformance.contract.call import Call, Operation

_HOLDING = "nnx.Embed(*weight.shape, embedding_init=lambda *_: weight, rngs=nnx.Rngs(0))"
_FRESH = "nnx.Embed({num_embeddings}, {embedding_dim}, param_dtype={dtype!r}, rngs=nnx.Rngs(0))"
_OPERATIONS = {
    Operation.EMBEDDING: Provided(Provision.NATIVE, f"{_HOLDING}(indices)"),
    Operation.EMBEDDING_FROM_PRETRAINED: Provided(Provision.NATIVE, f"{_HOLDING}(indices)"),
    Operation.EMBEDDING_MODULE: Provided(
        Provision.NATIVE,
        "nnx.Embed(num_embeddings, embedding_dim, param_dtype=dtype, rngs=nnx.Rngs(0))(indices)",
    ),
}


def _options_of(call: Call) -> dict[str, Any]:
    return {"dtype": "float32", **call.options}


def _make_table(call: Call, weight: Any) -> nnx.Embed:
    if call.operation is not Operation.EMBEDDING_MODULE:
        # It takes no table, so the initialiser returns the caller's.
        return nnx.Embed(*weight.shape, embedding_init=lambda *_: weight, rngs=nnx.Rngs(0))
    options = _options_of(call)
    return nnx.Embed(
        options["num_embeddings"],
        options["embedding_dim"],
        param_dtype=options["dtype"],
        rngs=nnx.Rngs(0),
    )


def _write_table(call: Call) -> str:
    is_fresh = call.operation is Operation.EMBEDDING_MODULE
    return _FRESH.format(**_options_of(call)) if is_fresh else _HOLDING


def _look_up(table: nnx.Embed, indices: jax.Array) -> Any:
    return table(indices)


def _train(name: str, table: nnx.Embed, gradient: nnx.Embed) -> nnx.Embed:
    # In place; under `jax.jit` the module is a copy, so the caller's stays as it is.
    nnx.Optimizer(table, OPTIMISERS[name](), wrt=nnx.Param).update(table, gradient)
    return table


_WAY = Way(
    _look_up,
    Written(
        lambda _: "table(indices)",
        imports=("import optax", "from flax import nnx"),
        train=(
            "trained = nnx.clone(table)",
            "nnx.Optimizer(trained, {optimiser}, wrt=nnx.Param).update(trained, gradient)",
        ),
        table=_write_table,
        weight="table.embedding[...]",
    ),
    make_table=_make_table,
    weight_of=lambda table: table.embedding[...],
    options=frozenset({"num_embeddings", "embedding_dim", "dtype", "freeze"}),
    train=_train,
)


def _make(name: str, device: str) -> JaxCalls:
    info = BackendInfo(
        id=name,
        library="flax",
        modules=("flax", "jax", "jaxlib"),
        version=flax.__version__,
        device=device,
        operations=_OPERATIONS,
        capabilities=frozenset({Capability.GRADIENTS, *TRAINED}),
        made_from="jax-take",
    )
    return JaxCalls(info, _WAY)


def on_cpu() -> JaxCalls:
    """Make the backend `flax-nnx`."""
    return _make("flax-nnx", "cpu")


def on_cuda() -> JaxCalls:
    """Make the backend `flax-nnx@cuda`; raises Unavailable without a GPU."""
    return _make("flax-nnx@cuda", use_cuda())

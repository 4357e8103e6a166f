"""JAX's plainest spelling of a lookup, `jnp.take(weight, indices, axis=0)`, under `jax.jit`.

`jnp.take` keeps its default mode, "fill": a negative index counts from the end, and one that is
out of range gives NaN, or an extreme value for integers. Bags are composed: the rows are taken,
multiplied by the per-sample weights, and reduced along the axis that holds a bag, or, with
offsets, by `jax.ops`, over segments numbered as `jax.experimental.sparse` numbers the rows of CSR.
Nothing is done about empty bags. `jax.nn.one_hot` gives floats unless it is told a dtype: it is
told PyTorch's. Gradients are those of `jax.grad`, and a training step subtracts one. One jitted
function serves all calls, and compiles once for each set of shapes, dtypes and options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unavailable,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

Arrays = dict[Any, jax.Array]
Answer = tuple[Arrays, Arrays]
"""What was observed, and the arrays that the library was handed."""

_finished: Callable[[Any], Any] = jax.block_until_ready

_OPERATIONS = {
    Operation.EMBEDDING: Provided(Provision.NATIVE, "jnp.take(weight, indices, axis=0)"),
    Operation.EMBEDDING_BAG: Provided(
        Provision.COMPOSED,
        "jnp.take, then jnp.sum, mean or max, or with offsets jax.ops.segment_sum or segment_max "
        "over jnp.zeros(len(indices), int).at[offsets].add(1).cumsum() - 1",
    ),
    Operation.ONE_HOT: Provided(
        Provision.NATIVE, "jax.nn.one_hot(indices, num_classes, dtype=jnp.int64)"
    ),
}

_CAPABILITIES = frozenset(
    {
        Capability.GRADIENTS,
        Capability.TRAINING,
        Capability.PER_SAMPLE_WEIGHTS,
        Capability.INCLUDE_LAST_OFFSET,
    }
)

_REDUCTIONS: dict[str, Callable[..., jax.Array]] = {
    "sum": jnp.sum,
    "mean": jnp.mean,
    "max": jnp.max,
}

_GRADIENTS = {
    Observation.GRAD_WEIGHT: "weight",
    Observation.GRAD_PER_SAMPLE_WEIGHTS: "per_sample_weights",
}

_EARLIER_USES: dict[Observation, Callable[[jax.Array], jax.Array]] = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: lambda weight: weight,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: jnp.copy,
}


class _Spelling(NamedTuple):
    """What a call fixes when it is compiled."""

    operation: Operation
    mode: str
    include_last_offset: bool
    num_classes: int


class JaxTake:
    """`jnp.take` on the CPU."""

    def __init__(self) -> None:
        if jnp.arange(0).dtype != np.int64:
            raise Unavailable("JAX would narrow 64-bit arrays: set JAX_ENABLE_X64=1")
        self.info = BackendInfo(
            id="jax-take",
            library="jax",
            version=jax.__version__,
            device=jax.default_backend(),
            operations=_OPERATIONS,
            capabilities=_CAPABILITIES,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Move the inputs, and call once: that is when jit compiles."""
        spelling = _spell(call)
        arrays = {name: jnp.asarray(array) for name, array in call.inputs.items()}
        if call.observe == (Observation.OUTPUT,):
            look_up = partial(_look_up, arrays, spelling)
            _finished(look_up())
            return lambda: ({"output": _finished(look_up())}, arrays)
        observe = partial(_observe, arrays, spelling, tuple(map(str, call.observe)))
        _finished(observe())
        return lambda: (_finished(observe()), arrays)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """View the arrays as NumPy's."""
        observed, found = ({n: np.asarray(a) for n, a in part.items()} for part in answer)
        return {**inputs_after(found), **observed}


def _spell(call: Call) -> _Spelling:
    """Raise Unsupported for what JAX and its documentation have no spelling for."""
    spelling = _Spelling(
        call.operation,
        call.options.get("mode", "mean"),
        call.options.get("include_last_offset", False),
        call.options.get("num_classes", -1),
    )
    if call.operation not in _OPERATIONS:
        raise Unsupported(f"JAX has no {call.operation}")
    for name, value in call.options.items():
        known = name in spelling._fields or name == "norm_type"
        if not known and value is not None and value is not False:
            raise Unsupported(f"jnp.take and jax.nn.one_hot have no {name}")
    if call.operation is Operation.ONE_HOT and spelling.num_classes == -1:
        raise Unsupported("jax.nn.one_hot does not infer num_classes")
    if call.operation is Operation.EMBEDDING_BAG and spelling.mode not in _REDUCTIONS:
        raise Unsupported(f"nothing to compose a bag of mode {spelling.mode!r} from")
    if "per_sample_weights" in call.inputs and spelling.mode != "sum":
        raise Unsupported(f"no documented composition of per_sample_weights and {spelling.mode}")
    return spelling


@partial(jax.jit, static_argnums=1)
def _look_up(arrays: Arrays, spelling: _Spelling) -> jax.Array:
    if spelling.operation is Operation.ONE_HOT:
        return jax.nn.one_hot(arrays["indices"], spelling.num_classes, dtype=jnp.int64)
    rows = jnp.take(arrays["weight"], arrays["indices"], axis=0)
    if spelling.operation is Operation.EMBEDDING:
        return rows
    if "per_sample_weights" in arrays:
        rows = rows * arrays["per_sample_weights"][..., None]
    if "offsets" in arrays:
        return _reduce_segments(rows, arrays["offsets"], spelling)
    return _REDUCTIONS[spelling.mode](rows, axis=1)


def _reduce_segments(rows: jax.Array, offsets: jax.Array, spelling: _Spelling) -> jax.Array:
    bounds = offsets if spelling.include_last_offset else jnp.append(offsets, len(rows))
    sizes = jnp.diff(bounds)
    bags = jnp.zeros(len(rows), int).at[bounds].add(1).cumsum() - 1
    if spelling.mode == "max":
        return jax.ops.segment_max(rows, bags, num_segments=len(sizes))
    sums = jax.ops.segment_sum(rows, bags, num_segments=len(sizes))
    return sums / sizes[:, None] if spelling.mode == "mean" else sums


@partial(jax.jit, static_argnums=(1, 2))
def _observe(arrays: Arrays, spelling: _Spelling, observe: tuple[str, ...]) -> Arrays:
    """Look up, and derive what else the call is to show."""
    output = _look_up(arrays, spelling)
    upstream = arrays.get("grad_output", jnp.ones_like(output))
    observed = {"output": output}

    def loss(source: jax.Array, name: str) -> Any:
        return (_look_up({**arrays, name: source}, spelling) * upstream).sum()

    def loss_after(use: Callable[[jax.Array], jax.Array], weight: jax.Array) -> Any:
        output = _look_up({**arrays, "weight": weight}, spelling)
        return jnp.square(use(weight)).sum() + output.sum()

    for observation, name in _GRADIENTS.items():
        if observation in observe:
            observed[observation] = jax.grad(loss)(arrays[name], name)
    for observation, use in _EARLIER_USES.items():
        if observation in observe:
            observed[observation] = jax.grad(partial(loss_after, use))(arrays["weight"])
    if Observation.TRAINED_WEIGHT in observe:
        gradient = jax.grad(loss)(arrays["weight"], "weight")
        observed[Observation.TRAINED_WEIGHT] = arrays["weight"] - gradient
    if Observation.PRODUCT in observe:
        observed[Observation.PRODUCT] = output.astype(arrays["weight"].dtype) @ arrays["weight"]
    return observed

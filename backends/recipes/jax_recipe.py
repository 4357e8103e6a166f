"""`jax-recipe`: the recipe `with_jax`, called as somebody would who copied it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from embcheck.backends.recipes import with_jax as recipe
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

config: Any = jax.config
_finished: Callable[[Any], Any] = jax.block_until_ready
FUNCTIONS: Mapping[Operation, Callable[..., jax.Array]] = {
    Operation.EMBEDDING: recipe.embedding,
    Operation.EMBEDDING_BAG: recipe.embedding_bag,
    Operation.ONE_HOT: recipe.one_hot,
}
OPTIONS = frozenset(
    {"mode", "padding_idx", "include_last_offset", "scale_grad_by_freq", "num_classes"}
)
GRADIENTS = {
    Observation.GRAD_WEIGHT: "weight",
    Observation.GRAD_PER_SAMPLE_WEIGHTS: "per_sample_weights",
}
OBSERVED = {*GRADIENTS, Observation.OUTPUT, Observation.PRODUCT, Observation.INPUTS_AFTER,
            Observation.WEIGHT_AFTER}  # fmt: skip

Arrays = dict[str, Any]


class JaxRecipe:
    """Answers calls by the recipe, whose checks look at NumPy's indices before JAX has them."""

    def __init__(self) -> None:
        config.update("jax_enable_x64", True)
        operations = {
            operation: Provided(Provision.COMPOSED, f"recipes/with_jax.py: {operation}")
            for operation in FUNCTIONS
        }
        self.info = BackendInfo(
            id="jax-recipe",
            library="jax",
            version=jax.__version__,
            modules=("jax", "jaxlib", recipe.__name__),
            operations=operations,
            capabilities=frozenset(
                {
                    Capability.GRADIENTS,
                    Capability.PADDING_IDX,
                    Capability.SCALE_GRAD_BY_FREQ,
                    Capability.PER_SAMPLE_WEIGHTS,
                    Capability.INCLUDE_LAST_OFFSET,
                }
            ),
            settings={"jax_enable_x64": "True; the default is False"},
        )

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Move the table and the weights; return what calls the recipe."""
        arrays = _arrays(call)
        options = _options(call)
        wanted = [name for name in GRADIENTS if name in call.observe]

        def run() -> Any:
            function = partial(FUNCTIONS[call.operation], **options)
            output = _finished(_apply(function, arrays))
            observed = {"output": output}
            upstream = arrays.get("grad_output", jnp.ones_like(output))
            for name in wanted:
                loss = partial(_loss, function, arrays, upstream, GRADIENTS[name])
                observed[name] = jax.grad(loss)(arrays[GRADIENTS[name]])
            if Observation.PRODUCT in call.observe:
                observed["product"] = output.astype(arrays["weight"].dtype) @ arrays["weight"]
            return _finished(observed), arrays

        return run

    def to_numpy(self, answer: Any) -> Mapping[str, np.ndarray]:
        """View the arrays as NumPy's."""
        observed, found = ({n: np.asarray(a) for n, a in part.items()} for part in answer)
        return {**inputs_after(found), **observed}


def _arrays(call: Call) -> Arrays:
    """Leave indices to the recipe, which checks them before JAX narrows them."""
    unmoved = ("indices", "offsets")
    return {n: a if n in unmoved else jnp.asarray(a) for n, a in call.inputs.items()}


def _options(call: Call) -> Arrays:
    """Raise Unsupported for what the recipe has no words for."""
    if call.operation not in FUNCTIONS:
        raise Unsupported(f"the recipe has no {call.operation}")
    if unknown := set(call.observe) - OBSERVED:
        raise Unsupported(f"the recipe shows no {', '.join(sorted(unknown))}")
    for name, value in call.options.items():
        if name not in OPTIONS and value is not None and value is not False:
            raise Unsupported(f"the recipe has no {name}")
    return {name: value for name, value in call.options.items() if name in OPTIONS}


def _apply(function: Callable[..., jax.Array], arrays: Arrays) -> jax.Array:
    rest = {n: arrays[n] for n in ("offsets", "per_sample_weights") if n in arrays}
    first = [arrays[name] for name in ("weight", "indices") if name in arrays]
    if getattr(function, "func", None) is recipe.one_hot:
        return function(arrays["indices"])
    return function(*first, **rest)


def _loss(
    function: Callable[..., jax.Array], arrays: Arrays, upstream: jax.Array, name: str, source: Any
) -> jax.Array:
    return (_apply(function, {**arrays, name: source}) * upstream).sum()

"""`tensorflow-recipe`: the recipe `with_tensorflow`, called as somebody would who copied it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from embcheck.backends.recipes import with_tensorflow as recipe
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

FUNCTIONS: Mapping[Operation, Callable[..., Any]] = {
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


class TensorFlowRecipe:
    """Answers calls by the recipe; the table is a variable."""

    def __init__(self) -> None:
        tf.config.set_visible_devices([], "GPU")
        operations = {
            operation: Provided(Provision.COMPOSED, f"recipes/with_tensorflow.py: {operation}")
            for operation in FUNCTIONS
        }
        self.info = BackendInfo(
            id="tensorflow-recipe",
            library="tensorflow",
            version=tf.__version__,
            modules=("tensorflow", "keras", recipe.__name__),
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
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Move the inputs, the table to a variable; return what calls the recipe."""
        return self._thunk(call, {})

    def spellings(self, call: Call) -> dict[str, Callable[[], Any]]:
        if call.operation is Operation.ONE_HOT:
            return {}
        return {"without checks": self._thunk(call, {"check": False})}

    def _thunk(self, call, more):
        options = _options(call) | more
        tensors = {n: tf.constant(a) for n, a in call.inputs.items()}
        if "weight" in tensors:
            tensors["weight"] = tf.Variable(tensors["weight"])
        wanted = [name for name in GRADIENTS if name in call.observe]

        def run() -> Any:
            sources = {name: tensors[GRADIENTS[name]] for name in wanted}
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(list(sources.values()))
                output = _apply(partial(FUNCTIONS[call.operation], **options), call, tensors)
            observed = {"output": output}
            if sources:
                grads = tape.gradient(output, sources, tensors.get("grad_output"))
                observed |= {n: tf.convert_to_tensor(g) for n, g in grads.items()}
            if Observation.PRODUCT in call.observe:
                observed["product"] = tf.cast(output, tensors["weight"].dtype) @ tensors["weight"]
            return observed, tensors

        return run

    def to_numpy(self, answer: Any) -> Mapping[str, np.ndarray]:
        observed, found = ({n: np.asarray(t.numpy()) for n, t in part.items()} for part in answer)
        return {**inputs_after(found), **observed}


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


def _apply(function, call, tensors: Arrays):
    rest = {n: tensors[n] for n in ("offsets", "per_sample_weights") if n in tensors}
    if call.operation is Operation.ONE_HOT:
        return function(tensors["indices"])
    return function(tensors["weight"], tensors["indices"], **rest)

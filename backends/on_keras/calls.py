"""The adapter for Keras on each of its backends: `keras.ops.take` and `layers.Embedding`.

Arrays become tensors by `ops.convert_to_tensor`, unless the backend's tensors are NumPy arrays. A
layer gets the dtype of its table, since Keras would make it float32. `observe` takes gradients by
the backend's own functions, and those of a layer through its `stateless_call`.
https://keras.io/api/layers/core_layers/embedding/
https://keras.io/api/ops/numpy/#take-function
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from embcheck.backends.composed import composition
from embcheck.backends.composed import script as composition_script
from embcheck.backends.composed.answers import brought_home
from embcheck.backends.on_keras.lookups import PRETRAINED, language
from embcheck.backends.on_keras.observe import DERIVED, DIFFERENTIATED, Gradient, Tensors, observe
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.contract.help import helps

Answer = tuple[Tensors, Tensors]
"""The observations, and the arrays and the variable that the caller finds after the call."""

_OPERATIONS = {
    Operation.EMBEDDING: Provided(Provision.NATIVE, "keras.ops.take(weight, indices, axis=0)"),
    Operation.EMBEDDING_MODULE: Provided(Provision.NATIVE, "keras.layers.Embedding"),
    Operation.EMBEDDING_FROM_PRETRAINED: Provided(Provision.NATIVE, PRETRAINED),
    Operation.EMBEDDING_BAG: Provided(
        Provision.COMPOSED,
        "keras.ops.take, then ops.sum, mean or max, or with offsets ops.segment_sum or segment_max",
    ),
    Operation.ONE_HOT: Provided(
        Provision.NATIVE, 'keras.ops.one_hot(indices, num_classes, dtype="int64")'
    ),
}

_OPTIONS = {
    Operation.EMBEDDING_MODULE: ("num_embeddings", "embedding_dim", "dtype"),
    Operation.EMBEDDING_FROM_PRETRAINED: ("freeze",),
    Operation.EMBEDDING_BAG: composition.BAG_OPTIONS,
    Operation.ONE_HOT: ("num_classes",),
}

_OBSERVABLE = {"output", "product", "weight_after", "inputs_after", Observation.TRAINABLE}


_MODULES = {"jax": ("jax", "jaxlib")}


@dataclass(frozen=True)
class Engine:
    """One of Keras's backends, and how it differentiates, if at all.

    `gradient(loss, source)` is plain code, since scripts show it. `finish` waits for tensors.
    `made_from` is the backend whose work this one continues.
    """

    name: str
    imports: str = ""
    gradient: Gradient | None = None
    finish: Callable[[Tensors], Tensors] = lambda observed: observed
    made_from: str | None = None
    survives_fork: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    helps_bags: str = ""
    """What is declared by `helps` for bags with offsets; empty if this backend needs no help."""


class KerasCalls:
    """Keras on one of its backends, on the CPU."""

    def __init__(self, engine: Engine) -> None:
        # Keras chooses its backend once, when it is first imported, by KERAS_BACKEND.
        if keras.backend.backend() != engine.name:
            raise RuntimeError(f"Keras was imported before, with {keras.backend.backend()}")
        self._engine = engine
        derived = {Capability.GRADIENTS, Capability.TRAINING, Capability.ADAGRAD}
        self.info = BackendInfo(
            id=f"keras-{engine.name}",
            library="keras",
            modules=("keras", *_MODULES.get(engine.name, (engine.name,))),
            version=keras.__version__,
            operations=_OPERATIONS,
            capabilities=frozenset(derived if engine.gradient else ())
            | {Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET},
            made_from=engine.made_from,
            survives_fork=engine.survives_fork,
            settings=engine.settings,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Make the tensors and the layer, and return a thunk of the observations."""
        self._expect_known(call)
        with keras.device("cpu"):
            tensors = {name: _to_tensor(array) for name, array in call.inputs.items()}
            layer = _layer(call, tensors)
        # The caller's own arrays: the tensors of most backends are copies of them.
        found = dict(call.inputs) if call.wants_inputs else {}
        if found and call.operation is Operation.EMBEDDING_MODULE:
            found["weight"] = layer.embeddings
        run = partial(observe, call, tensors, layer, self._engine.gradient)
        if composition.ends_early(call):
            helps(composition.CUTS)
        if self._engine.helps_bags and "offsets" in call.inputs:
            helps(self._engine.helps_bags)

        def look() -> Answer:
            with keras.device("cpu"):
                return self._engine.finish(run()), found

        return look

    def script(self, call: Call) -> str:
        """Write a call as Keras users would."""
        self._expect_known(call)
        engine = self._engine
        return composition_script.write(
            call, language(engine.name, engine.imports, engine.gradient)
        )

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the tensors to NumPy."""
        return brought_home(answer, _to_array)

    def _expect_known(self, call: Call) -> None:
        """Raise Unsupported for what Keras, or its backend, has no spelling for."""
        if call.operation not in _OPERATIONS:
            raise Unsupported(f"Keras has no {call.operation}")
        if self._engine.gradient is None and call.wants(*DERIVED):
            raise Unsupported(f"Keras differentiates nothing with its backend {self._engine.name}")
        known = _OBSERVABLE | DERIVED
        composition.expect_only(call, "Keras", _OPTIONS.get(call.operation, ()), known)
        if call.operation.is_bag:
            composition.expect_mode(call, ("sum", "mean", "max"))
        if call.operation is Operation.ONE_HOT and call.option("num_classes") == -1:
            raise Unsupported("keras.ops.one_hot does not infer num_classes")
        if call.is_frozen and call.wants(*DIFFERENTIATED):
            raise Unsupported("a frozen layer lists no variable to differentiate")


def _to_tensor(array: np.ndarray) -> Any:
    # With NumPy as the backend, arrays are tensors already, and are not copied.
    return array if ops.is_tensor(array) else ops.convert_to_tensor(array)


def _to_array(value: Any) -> np.ndarray:
    return np.asarray(value if isinstance(value, bool) else ops.convert_to_numpy(value))


def _layer(call: Call, tensors: Tensors) -> Any:
    """Make the layer of a call; return None for a call of operations."""
    options = call.options
    if call.operation is Operation.EMBEDDING_MODULE:
        sizes = options["num_embeddings"], options["embedding_dim"]
        layer = keras.layers.Embedding(*sizes, dtype=options.get("dtype"))
        # Without `build`, a layer has no weight until it is first called.
        layer.build()
        return layer
    if call.operation is not Operation.EMBEDDING_FROM_PRETRAINED:
        return None
    weight = tensors["weight"]
    dtype = keras.backend.standardize_dtype(weight.dtype)
    # Keras compares these sizes with the weight's, and so refuses a table that is not 2-D.
    sizes = weight.shape[0], weight.shape[-1]
    layer = keras.layers.Embedding(*sizes, weights=weight, dtype=dtype)
    layer.trainable = not call.is_frozen
    return layer

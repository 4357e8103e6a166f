"""The adapter for TensorFlow's ways of running lookups; `observe` has its observations.

The observations are one function of the call's tensors, run as it is or compiled. It is kept for
calls with the same operation, options and observations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from embcheck.backends.composed import composition
from embcheck.backends.composed.answers import brought_home
from embcheck.backends.on_tensorflow import script
from embcheck.backends.on_tensorflow.lookups import CUT, MODES, cut, look_up, one_hot, pool
from embcheck.backends.on_tensorflow.observe import OBSERVABLE, OPTIMISERS, Tensors, observe, train
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Unavailable,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

Answer = tuple[Tensors, Tensors]
"""The observations, and the tensors that the library was handed."""

_OF_ROWS = ("max_norm", "sparse")
_OF_BAGS = (*composition.BAG_OPTIONS, *_OF_ROWS)
OPTIONS = {
    Operation.EMBEDDING: _OF_ROWS,
    Operation.EMBEDDING_FROM_PRETRAINED: (*_OF_ROWS, "freeze"),
    Operation.EMBEDDING_BAG: _OF_BAGS,
    Operation.EMBEDDING_BAG_FROM_PRETRAINED: (*_OF_BAGS, "freeze"),
    Operation.ONE_HOT: ("num_classes",),
}


@dataclass(frozen=True)
class TensorFlowWay:
    """One way of running lookups: how bags are reduced, and whether XLA compiles."""

    reduce: Callable[..., Any]
    jit_compile: bool

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that runs the given one this way."""
        if not self.jit_compile:
            return function
        made: Callable[..., Any] = tf.function(function, jit_compile=True)
        return made


def use(device: str) -> str:
    """Make TensorFlow work on a device, and return it; raise Unavailable if there is none."""
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cpu":
        # By itself TensorFlow puts tensors on a GPU where there is one.
        tf.config.set_visible_devices([], "GPU")
    elif not gpus:
        raise Unavailable(f"tensorflow {tf.__version__} finds no GPU")
    return device


class TensorFlowCalls:
    """The adapter for one way of running lookups."""

    def __init__(self, info: BackendInfo, way: TensorFlowWay) -> None:
        self.info, self._way = info, way
        self._shown: dict[str, Callable[..., Any]] = {}

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Copy the inputs, the table to a variable, and return a thunk; XLA compiles here."""
        expect_known(call, self._way.reduce)
        tensors = _tensors(call)
        return self._thunk(call, tensors, lambda: tensors)

    def spellings(self, call: Call) -> dict[str, Callable[[], Answer]]:
        """Return the call with its 1-D inputs cut at the last offset, if values lie behind it."""
        expect_known(call, self._way.reduce)
        if not composition.ends_early(call):
            return {}
        tensors = _tensors(call)
        return {CUT: self._thunk(call, tensors, lambda: {**tensors, **cut(tensors)})}

    def _thunk(
        self, call: Call, tensors: Tensors, given: Callable[[], Tensors]
    ) -> Callable[[], Answer]:
        take = partial(_take, call.operation, options_of(call), self._way.reduce)
        wanted = frozenset(map(str, call.observe))
        key = repr((call.operation, options_of(call), sorted(wanted)))
        # One function object for all calls of a key, since `tf.function` compiles each anew.
        show = self._shown.setdefault(key, self._way.compiled(partial(observe, wanted, take)))
        steps = {
            name: partial(train, name, take, compiled=self._way.compiled)
            for name in OPTIMISERS
            if name in wanted
        }
        # XLA compiles at the first call, which is not what is timed.
        if self._way.jit_compile:
            show(given())
        found = tensors if call.wants_inputs else {}

        def run() -> Answer:
            taken = given()
            observed = {**show(taken), **{name: step(taken) for name, step in steps.items()}}
            if self.info.device != "cpu":
                # On a GPU, kernels are only enqueued when TensorFlow returns.
                tf.test.experimental.sync_devices()
            return observed, found

        return run

    def script(self, call: Call) -> str:
        """Write a call as TensorFlow users would."""
        expect_known(call, self._way.reduce)
        function = self._way.reduce if call.operation.is_bag else None
        return script.write(call, function, options_of(call), self._way.jit_compile)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the tensors to NumPy."""
        return brought_home(answer, lambda tensor: np.asarray(tensor.numpy()))


def expect_known(call: Call, reduce: Callable[..., Any]) -> None:
    """Raise Unsupported for what TensorFlow has no spelling for."""
    composition.expect_known(call, "TensorFlow", OPTIONS, OBSERVABLE)
    # `max_norm` is `tf.clip_by_norm` in TensorFlow, which has one norm.
    if call.option("max_norm") is not None and call.option("norm_type") != 2:
        raise Unsupported("TensorFlow clips by the Euclidean norm only")
    if call.operation is Operation.ONE_HOT and call.option("num_classes") == -1:
        raise Unsupported("tf.one_hot does not infer num_classes")
    if call.operation.is_bag:
        # `pool` passes the mode on, so that TensorFlow itself refuses it.
        if reduce is not pool:
            composition.expect_mode(call, MODES)
        elif "per_sample_weights" in call.inputs and call.option("mode") == "max":
            raise Unsupported("TensorFlow has no weighted maximum")
    if call.wants(Observation.GRAD_WEIGHT) and call.is_frozen:
        raise Unsupported("a variable that does not train is on no tape")


def _tensors(call: Call) -> Tensors:
    tensors = {name: tf.constant(array) for name, array in call.inputs.items()}
    if "weight" in tensors:
        # A variable, as users' tables are: a tape follows it by itself, and optimisers take only
        # variables.
        tensors["weight"] = tf.Variable(tensors["weight"], trainable=not call.is_frozen)
    return tensors


def options_of(call: Call) -> dict[str, Any]:
    """Return the options that the function of a call takes."""
    # Gradients of lookups are always sparse here, and `freeze` is a property of the variable.
    names = [name for name in OPTIONS[call.operation] if name not in ("sparse", "freeze")]
    return {name: call.options[name] for name in names if name in call.options}


def _take(
    operation: Operation, options: Mapping[str, Any], reduce: Callable[..., Any], tensors: Tensors
) -> Any:
    given = {name: tensor for name, tensor in tensors.items() if name != "grad_output"}
    if operation is Operation.ONE_HOT:
        return one_hot(given["indices"], **options)
    return (reduce if operation.is_bag else look_up)(**given, **options)

"""Keras on TensorFlow, eager: operations and layers; gradients of `tf.GradientTape`.

The tape gives the gradient of a lookup by rows, which `tf.convert_to_tensor` makes dense.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

os.environ["KERAS_BACKEND"] = "tensorflow"

from embcheck.backends.on_keras.calls import Engine, KerasCalls


def gradient(loss: Callable[[Any], Any], source: Any) -> Any:
    """Differentiate a scalar function at a tensor."""
    with tf.GradientTape() as tape:
        # A tape follows a tensor only if it is told to.
        tape.watch(source)
        total = loss(source)
    return tf.convert_to_tensor(tape.gradient(total, source))


def on_cpu() -> KerasCalls:
    """Make the backend `keras-tensorflow`."""
    engine = Engine(
        "tensorflow",
        imports="import tensorflow as tf\n",
        gradient=gradient,
        made_from="tensorflow-eager",
        survives_fork=True,
    )
    return KerasCalls(engine)

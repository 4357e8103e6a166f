"""`tensorflow-recipe`: the recipe `with_tensorflow`, called as somebody would who copied it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from embcheck.backends.on_tensorflow import eager
from embcheck.backends.recipes import with_tensorflow
from embcheck.backends.recipes.calls import Arrays, RecipeCalls, Run, Way, info_of


def on_cpu() -> RecipeCalls:
    """Make the backend `tensorflow-recipe`."""
    way = Way(
        with_tensorflow,
        place=_place,
        bring=lambda tensor: np.asarray(tensor.numpy()),
        differentiate=_differentiate,
        product=lambda output, weight: tf.cast(output, weight.dtype) @ weight,
        wraps={
            "tf.function(recipe)  # raises": tf.function,
            "tf.function(recipe, jit_compile=True)  # checks nothing": partial(
                tf.function, jit_compile=True
            ),
        },
        natives={"raises; on a GPU it gives zeros": eager.on_cpu},
    )
    modules = ("tensorflow", "keras")
    eager.use("cpu")
    return RecipeCalls(
        way,
        info_of(
            way,
            "tensorflow-recipe",
            "tensorflow",
            tf.__version__,
            modules=modules,
            survives_fork=True,
        ),
    )


def _place(name: str, array: np.ndarray) -> Any:
    """Make a variable of the table."""
    return tf.Variable(array) if name == "weight" else tf.constant(array)


def _differentiate(run: Run, arrays: Arrays, names: Sequence[str]) -> tuple[Any, Arrays]:
    sources = {name: arrays[name] for name in names}
    with tf.GradientTape() as tape:
        tape.watch(list(sources.values()))
        output = run(arrays)
    found = tape.gradient(output, sources, arrays.get("grad_output"))
    return output, {name: tf.convert_to_tensor(gradient) for name, gradient in found.items()}

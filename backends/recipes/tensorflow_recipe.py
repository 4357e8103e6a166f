"""`tensorflow-recipe`: the recipe `with_tensorflow`, called as its users would.

The table is a variable. The recipe refuses bad values eagerly and in tf.function. XLA compiles it,
drops its assertions, and cannot refuse. There is no `scale_grad_by_freq`, and no `max_norm`:
tf.nn.embedding_lookup never shortens the table itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from embcheck.backends.on_tensorflow import eager
from embcheck.backends.on_tensorflow.calls import use
from embcheck.backends.recipes import with_tensorflow, with_tensorflow_one_hot
from embcheck.backends.recipes.calls import Arrays, RecipeCalls, RecipeWay, Run, info_of


def on_cpu() -> RecipeCalls:
    """Make the backend `tensorflow-recipe`."""
    way = RecipeWay(
        with_tensorflow,
        place=_place,
        bring=lambda tensor: np.asarray(tensor.numpy()),
        differentiate=_differentiate,
        product=lambda output, weight: tf.cast(output, weight.dtype) @ weight,
        wraps={"tf.function(recipe)  # raises": tf.function},
        natives={"raises; on a GPU it gives zeros": eager.on_cpu},
        further=(with_tensorflow_one_hot,),
    )
    more: Arrays = {"modules": ("tensorflow", "keras"), "device": use("cpu")}
    version = tf.__version__
    info = info_of(way, "tensorflow-recipe", "tensorflow", version, survives_fork=True, **more)
    return RecipeCalls(way, info)


def _place(name: str, array: np.ndarray) -> Any:
    """Make a variable of the table, and a constant of any other input."""
    return tf.Variable(array) if name == "weight" else tf.constant(array)


def _differentiate(run: Run, arrays: Arrays, names: Sequence[str]) -> tuple[Any, Arrays]:
    sources = {name: arrays[name] for name in names}
    with tf.GradientTape() as tape:
        tape.watch(list(sources.values()))
        output = run(arrays)
    found = tape.gradient(output, sources, arrays.get("grad_output"))
    return output, {name: tf.convert_to_tensor(gradient) for name, gradient in found.items()}

"""`keras-recipe`: the recipe `with_keras` on Keras's backend JAX, called as its users would.

JAX is the one of Keras's backends that refuses no index. The recipe looks at indices as NumPy
arrays, before JAX may narrow them to 32 bits. Where a function is traced it cannot, for Keras has
no operation that refuses. It has no `max_norm`, for tensors do not change, and no
`scale_grad_by_freq`. The code is the same on Keras's other backends. With PyTorch,
keras.ops.segment_sum adds float64 up in float32; with NumPy and OpenVINO there are no gradients.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

os.environ["KERAS_BACKEND"] = "jax"

import keras
from keras import ops

from embcheck.backends.on_keras import with_jax as keras_on_jax
from embcheck.backends.recipes import with_keras, with_keras_one_hot
from embcheck.backends.recipes.calls import Arrays, RecipeCalls, RecipeWay, Run, info_of

config: Any = jax.config


def on_cpu() -> RecipeCalls:
    """Make the backend `keras-recipe`."""
    config.update("jax_enable_x64", True)
    way = RecipeWay(
        with_keras,
        place=_place,
        bring=ops.convert_to_numpy,
        finish=jax.block_until_ready,
        differentiate=_differentiate,
        product=lambda output, weight: ops.matmul(ops.cast(output, weight.dtype), weight),
        natives={"fills with NaN": keras_on_jax.on_cpu},
        further=(with_keras_one_hot,),
    )
    info = info_of(
        way,
        "keras-recipe",
        "keras",
        keras.__version__,
        modules=("keras", "jax", "jaxlib"),
        settings={"jax_enable_x64": "True; the default is False"},
    )
    return RecipeCalls(way, info)


def _place(name: str, array: np.ndarray) -> Any:
    """Leave indices as NumPy arrays, which the recipe checks before JAX narrows them."""
    return array if name in ("indices", "offsets") else ops.convert_to_tensor(array)


def _differentiate(run: Run, arrays: Arrays, names: Sequence[str]) -> tuple[Any, Arrays]:
    sources = {name: arrays[name] for name in names}
    output, back = jax.vjp(lambda given: run({**arrays, **given}), sources)
    (found,) = back(arrays.get("grad_output", ops.ones_like(output)))
    return output, found

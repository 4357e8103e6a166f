"""`keras-recipe`: the recipe `with_keras`, with Keras's backend JAX, as somebody would who copied it.

Of Keras's backends, JAX refuses nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from embcheck.backends.on_keras import with_jax as keras_on_jax  # chooses Keras's backend
from embcheck.backends.recipes import with_keras
from embcheck.backends.recipes.calls import Arrays, RecipeCalls, Run, Way, info_of

import keras  # isort: skip
from keras import ops  # isort: skip

config: Any = jax.config


def on_cpu() -> RecipeCalls:
    """Make the backend `keras-recipe`."""
    config.update("jax_enable_x64", True)
    way = Way(
        with_keras,
        place=_place,
        bring=ops.convert_to_numpy,
        finish=jax.block_until_ready,
        differentiate=_differentiate,
        product=lambda output, weight: ops.matmul(ops.cast(output, weight.dtype), weight),
        natives={"fills with NaN": keras_on_jax.on_cpu},
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
    """Leave indices to the recipe, which checks them before JAX narrows them."""
    return array if name in ("indices", "offsets") else ops.convert_to_tensor(array)


def _differentiate(run: Run, arrays: Arrays, names: Sequence[str]) -> tuple[Any, Arrays]:
    sources = {name: arrays[name] for name in names}
    output, back = jax.vjp(lambda given: run({**arrays, **given}), sources)
    (found,) = back(arrays.get("grad_output", ops.ones_like(output)))
    return output, found

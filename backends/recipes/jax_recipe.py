"""`jax-recipe`: the recipe `with_jax`, called as somebody would who copied it.

JAX cannot change an array, so that there is no `max_norm`; it has no gradients by rows, and no
optimiser. Under `jax.jit` values are not known, and nothing can be checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from embcheck.backends.on_jax import take
from embcheck.backends.recipes import with_jax, with_jax_one_hot
from embcheck.backends.recipes.calls import Arrays, RecipeCalls, RecipeWay, Run, info_of

config: Any = jax.config


def on_cpu() -> RecipeCalls:
    """Make the backend `jax-recipe`."""
    config.update("jax_enable_x64", True)
    way = RecipeWay(
        with_jax,
        place=_place,
        finish=jax.block_until_ready,
        differentiate=_differentiate,
        wraps={"jax.jit(recipe)  # checks nothing": jax.jit},
        natives={"fills with NaN": take.on_cpu},
        further=(with_jax_one_hot,),
    )
    settings = {"jax_enable_x64": "True; the default is False"}
    modules = ("jax", "jaxlib")
    info = info_of(way, "jax-recipe", "jax", jax.__version__, modules=modules, settings=settings)
    return RecipeCalls(way, info)


def _place(name: str, array: np.ndarray) -> Any:
    """Leave indices as NumPy arrays, which the recipe checks before JAX narrows them."""
    return array if name in ("indices", "offsets") else jnp.asarray(array)


def _differentiate(run: Run, arrays: Arrays, names: Sequence[str]) -> tuple[Any, Arrays]:
    sources = {name: arrays[name] for name in names}
    output, back = jax.vjp(lambda given: run({**arrays, **given}), sources)
    (found,) = back(arrays.get("grad_output", jnp.ones_like(output)))
    return output, found

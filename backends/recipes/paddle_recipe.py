"""`paddle-recipe`: the recipe `with_paddle`, called as somebody would who copied it.

It leaves out sparse gradients, `scale_grad_by_freq` and `max_norm`. Paddle has all three, and
departs: see `paddle`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle

from embcheck.backends.on_paddle import eager
from embcheck.backends.on_paddle.lookups import to_array, to_tensor
from embcheck.backends.recipes import with_paddle, with_paddle_one_hot
from embcheck.backends.recipes.calls import Arrays, RecipeCalls, RecipeWay, Run, info_of


def on_cpu() -> RecipeCalls:
    """Make the backend `paddle-recipe`."""
    paddle.set_device("cpu")
    way = RecipeWay(
        with_paddle,
        place=_place,
        bring=to_array,
        differentiate=_differentiate,
        natives={"reads the index -1, and beside padding any, unchecked": eager.on_cpu},
        further=(with_paddle_one_hot,),
    )
    info = info_of(way, "paddle-recipe", "paddle", paddle.__version__, survives_fork=True)
    return RecipeCalls(way, info)


def _place(name: str, array: np.ndarray) -> Any:
    del name
    return to_tensor(array)


def _differentiate(run: Run, arrays: Arrays, names: Sequence[str]) -> tuple[Any, Arrays]:
    sources = {name: arrays[name] for name in names}
    for source in sources.values():
        source.stop_gradient = False
    output = run(arrays)
    upstream = arrays.get("grad_output", paddle.ones_like(output))
    return output, dict(zip(names, paddle.grad(output, [*sources.values()], upstream), strict=True))

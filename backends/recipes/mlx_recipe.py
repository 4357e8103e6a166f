"""`mlx-recipe`: the recipe `with_mlx`, called as somebody would who copied it.

Indices and offsets stay NumPy's until the recipe has checked them: MLX cannot refuse an index, for
exceptions do not travel from a GPU, and inside of mx.compile nothing is known to check. It cannot
renormalise a table in place (`max_norm`), for its arrays do not change, has no sparse gradients,
and computes in float64 on the CPU only. MLX is lazy, so that every call ends in `mx.eval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import ml_dtypes
import mlx.core as mx
import numpy as np

from embcheck.backends.composed.mlx_take import MlxTake
from embcheck.backends.recipes import with_mlx, with_mlx_one_hot
from embcheck.backends.recipes.calls import Arrays, RecipeCalls, RecipeWay, Run, info_of


def _place(name: str, array: np.ndarray) -> Any:
    """Leave indices as NumPy arrays, which the recipe checks; copy the rest, keeping float64."""
    if name in ("indices", "offsets"):
        return array
    array = np.asarray(array, order="C")
    return mx.array(array, mx.float64) if array.dtype == np.float64 else mx.array(array)


def _bring(array: Any) -> np.ndarray:
    if isinstance(array, mx.array) and array.dtype == mx.bfloat16:
        return np.array(array.view(mx.uint16)).view(ml_dtypes.bfloat16)
    return np.array(array)


def _finish(observed: Arrays) -> Arrays:
    mx.eval(observed)
    return observed


def _differentiate(run: Run, arrays: Arrays, names: Sequence[str]) -> tuple[Any, Arrays]:
    output = run(arrays)
    upstream = arrays.get("grad_output", mx.ones_like(output))

    def loss(source: mx.array, name: str) -> mx.array:
        return (run({**arrays, name: source}) * upstream).sum()

    return output, {name: mx.grad(loss)(arrays[name], name) for name in names}


WAY = RecipeWay(
    with_mlx,
    _place,
    _bring,
    _finish,
    _differentiate,
    natives={"memory is read where it lies": MlxTake},
    further=(with_mlx_one_hot,),
)


class MlxRecipe(RecipeCalls):
    """MLX on its default device, which is the CPU where there is no GPU of Apple's."""

    def __init__(self) -> None:
        device = str(mx.default_device().type).rpartition(".")[2]
        info = info_of(WAY, "mlx-recipe", "mlx", version("mlx"), device=device, survives_fork=True)
        super().__init__(WAY, info)

"""`tinygrad-recipe`: the recipe `with_tinygrad`, called as somebody would who copied it.

The recipe copies indices and offsets to NumPy to check them: tinygrad gives zeros for an index of
no row, and inside of TinyJit nothing is known to check. Bags between offsets look at each entry for
each bag, and gradients at each index for each row of the table. tinygrad has no sparse gradients,
and the recipe no `max_norm` and no `scale_grad_by_freq`. tinygrad is lazy, so that every call ends
in `Tensor.realize`. bfloat16 is emulated, since clang 14 has no such type for x86-64, and newer
ones have it for some processors only: https://github.com/tinygrad/tinygrad/issues/6909
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from tinygrad import Tensor, helpers

from embcheck.backends.composed.tinygrad_index import TinygradIndex
from embcheck.backends.composed.tinygrad_lookups import to_array, to_tensor
from embcheck.backends.recipes import with_tinygrad as recipe
from embcheck.backends.recipes import with_tinygrad_one_hot
from embcheck.backends.recipes.calls import Arrays, RecipeCalls, RecipeWay, Run, info_of
from embcheck.conformance.contract.backend import Unavailable
from embcheck.conformance.contract.cache import cache_folder


def _place(name: str, array: np.ndarray) -> Any:
    del name
    return to_tensor(np.asarray(array)).realize()


def _bring(array: Any) -> np.ndarray:
    return to_array(array) if isinstance(array, Tensor) else np.asarray(array)


def _finish(observed: Arrays) -> Arrays:
    Tensor.realize(*observed.values())
    return observed


def _differentiate(run: Run, arrays: Arrays, names: Sequence[str]) -> tuple[Any, Arrays]:
    output = run(arrays)
    upstream = arrays.get("grad_output", Tensor.ones_like(output))
    found = output.gradient(*(arrays[name] for name in names), gradient=upstream)
    return output, dict(zip(names, found, strict=True))


def _product(output: Tensor, weight: Tensor) -> Tensor:
    return output.cast(weight.dtype) @ weight


WAY = RecipeWay(
    recipe,
    _place,
    _bring,
    _finish,
    _differentiate,
    _product,
    natives={"gives zeros": TinygradIndex},
    further=(with_tinygrad_one_hot,),
)


class TinygradRecipe(RecipeCalls):
    """tinygrad's device CPU, which compiles with clang and keeps the code on disk."""

    def __init__(self) -> None:
        compiler = os.environ.get("CC", "clang")
        if shutil.which(compiler) is None:
            raise Unavailable(f"tinygrad compiles for the CPU with {compiler}: install clang")
        helpers.DEV.value = "CPU"
        helpers.CACHEDB = str(cache_folder("tinygrad") / "cache.db")
        os.environ["CACHEDB"] = helpers.CACHEDB  # for the processes that compile
        helpers.EMULATED_DTYPES.value = "bfloat16"
        settings = {"EMULATED_DTYPES": "bfloat16; the default is none"}
        number = version("tinygrad")
        super().__init__(
            WAY, info_of(WAY, "tinygrad-recipe", "tinygrad", number, settings=settings)
        )

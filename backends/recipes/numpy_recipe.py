"""`numpy-recipe`: the recipe `with_numpy`, called as somebody would who copied it.

NumPy has neither automatic differentiation nor sparse arrays: the recipe has functions for
gradients, which are as large as the table, and no optimiser. It leaves out `max_norm` and
`scale_grad_by_freq`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embcheck.backends.recipes import with_numpy, with_numpy_gradients, with_numpy_one_hot
from embcheck.backends.recipes.calls import RecipeCalls, RecipeWay, info_of
from embcheck.conformance.contract.call import Call, Observation, Operation

_ROWS = "weight[indices]  # raises, negative ones count from the end"
_SUMS = "weight[indices].sum(axis=1)  # raises, negative ones count from the end"


def multiply(output: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Multiply one-hot rows by a table; cast the product, since NumPy's of bfloat16 is float32."""
    product: np.ndarray = (output.astype(weight.dtype) @ weight).astype(weight.dtype)
    return product


class NumpyRecipe(RecipeCalls):
    """NumPy, whose own spelling of a lookup is one of its indexings."""

    def __init__(self) -> None:
        way = RecipeWay(
            with_numpy,
            place=lambda _, array: array,
            product=multiply,
            further=(with_numpy_gradients, with_numpy_one_hot),
        )
        super().__init__(way, info_of(way, "numpy-recipe", "numpy", np.__version__))

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Any]]:
        """Return the recipe without its checks, and plain indexing beside it."""
        found = dict(super().spellings(call))
        chosen = {name: value for name, value in call.options.items() if value is not None}
        weight, indices, given = call.inputs.get("weight"), call.inputs["indices"], call.inputs
        if weight is None or call.observe != (Observation.OUTPUT,):
            return found
        if call.operation is Operation.EMBEDDING and not chosen:
            found[_ROWS] = lambda: (self.bring_home, ({"output": weight[indices]}, given))
        if chosen == {"mode": "sum"} and given.keys() == {"weight", "indices"}:
            found[_SUMS] = lambda: (
                self.bring_home,
                ({"output": weight[indices].sum(axis=1)}, given),
            )
        return found

"""`scipy-recipe`: the recipe `with_scipy`, called as somebody would who copied it.

SciPy's sparse arrays express sums and means of bags and all gradients as products. They have no
maximum and keep no sign of zero, for which the recipe uses NumPy, and SciPy has neither automatic
differentiation nor an optimiser for tables. The recipe leaves out `max_norm` and
`scale_grad_by_freq`.
"""

from __future__ import annotations

import scipy

from embcheck.backends.composed import scipy_csr
from embcheck.backends.recipes import with_scipy, with_scipy_gradients, with_scipy_one_hot
from embcheck.backends.recipes.calls import RecipeCalls, RecipeWay, info_of
from embcheck.backends.recipes.numpy_recipe import multiply


def on_cpu() -> RecipeCalls:
    """Make the backend `scipy-recipe`."""
    way = RecipeWay(
        with_scipy,
        place=lambda _, array: array,
        product=multiply,
        natives={"reads beyond the table, or dies": scipy_csr.ScipyCsr},
        further=(with_scipy_gradients, with_scipy_one_hot),
    )
    return RecipeCalls(way, info_of(way, "scipy-recipe", "scipy", scipy.__version__))

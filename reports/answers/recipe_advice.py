"""The recipe for a backend's library, and whether it has what a user needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from embcheck.reports.answers.advice import Advice, Fit
from embcheck.reports.answers.recipes import BUILT_ON
from embcheck.reports.compat import Compat

SUFFIX = "-recipe"


@dataclass(frozen=True)
class Recipe:
    """A recipe by its name in `embcheck recipe`, its backend, and how that fits the needs.

    `backend` and `fit` are None if there is no data on the recipe's backend.
    """

    name: str
    backend: str | None = None
    fit: Fit | None = None


def recipe_of(
    backend: str, library: str, names: Iterable[str], backends: Collection[str]
) -> Recipe | None:
    """Return the recipe for a backend's library; None for a recipe itself, or if there is none.

    `names` are those that `embcheck recipe` knows, `backends` those that there is data on.
    """
    base = BUILT_ON.get(library, library)
    # Compared by the beginning, since `onnx` is the name of the recipe for `onnxruntime`.
    name = next((name for name in names if base.startswith(name)), None)
    if name is None or backend.endswith(SUFFIX):
        return None
    own = f"{base}{SUFFIX}"
    return Recipe(name, own if own in backends else None)


def recipe_for(
    backend: str, data: Compat, found: Iterable[Advice], names: Iterable[str]
) -> Recipe | None:
    """Return the recipe for a backend's library, and whether it has what is needed.

    `found` is the advice on all backends of the data.
    """
    fits = {advice.backend: advice.fit for advice in found}
    recipe = recipe_of(backend, data.column(backend).library, names, fits)
    return recipe and replace(recipe, fit=fits.get(recipe.backend or ""))

"""The recipe for a backend's library, and whether it has what somebody needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from embcheck.reports.answers.advice import Advice, Fit
from embcheck.reports.compat import Compat

SUFFIX = "-recipe"


@dataclass(frozen=True)
class Recipe:
    """A recipe by the name that `embcheck recipe` knows; its backend, and what that means.

    `backend` and `fit` are None where the data has no such backend.
    """

    name: str
    backend: str | None = None
    fit: Fit | None = None


def recipe_for(
    backend: str, data: Compat, found: Iterable[Advice], names: Collection[str]
) -> Recipe | None:
    """Return the recipe for a backend's library; None for a recipe itself, or if there is none.

    `found` is the advice on all backends of the data.
    """
    library = data.column(backend).library
    name = next((name for name in names if _is_of(name, library)), None)
    if name is None or backend.endswith(SUFFIX):
        return None
    for advice in found:
        own = advice.backend.removesuffix(SUFFIX)
        if own != advice.backend and _is_of(name, own):
            return Recipe(name, advice.backend, advice.fit)
    return Recipe(name)


def _is_of(name: str, library: str) -> bool:
    """Whether a recipe is one of a library: `onnx` is of `onnxruntime` too."""
    return library.startswith(name)

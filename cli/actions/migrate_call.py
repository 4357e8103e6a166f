"""A user's own call from the options of `embcheck migrate`: asked, then timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.text import Text

from embcheck.cli.actions.migrate_own import (
    Asking,
    OwnAnswers,
    asked_right,
    call_of,
    own_workloads,
)
from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.timing.workloads.own import Sources
from embcheck.conformance.timing.workloads.own_files import BadInput
from embcheck.reports.answers.recipe_advice import Recipe, recipe_of
from embcheck.reports.answers.recipes import recipes
from embcheck.reports.compat import CompatError
from embcheck.reports.migration.own import OwnCall, described, features_of, guards_of


def own_call(old: str, new: Sequence[str], options: Mapping[str, Any]) -> OwnCall:
    """Ask backends and recipes a user's call, and time it; raise CompatError."""
    files = ("table", "trace", "offsets", "weights", "mode", "padding_idx")
    own = Sources(**{name: options[name] for name in files})
    status = Console(stderr=True, highlight=False).status("asking")  # Shown on a terminal only.
    try:
        with status:
            return _asked(old, new, own, options, lambda step: status.update(Text(str(step))))
    except BadInput as error:
        raise CompatError(str(error)) from None


def _asked(
    old: str,
    new: Sequence[str],
    own: Sources,
    options: Mapping[str, Any],
    tell: Callable[[object], None],
) -> OwnCall:  # fmt: skip
    calls = {
        workload.dtype: call_of(workload) for workload in own_workloads(own, options["dtypes"])
    }
    asking = Asking(calls, options["timeout"])
    asked = asking.ask(list(dict.fromkeys([old, *new])))
    # A backend's recipe depends on its library, which only its worker tells.
    known = _recipes(new, asked)
    found_for = {name: recipe.backend for name, recipe in known.items() if recipe.backend}
    beside = [name for name in dict.fromkeys(found_for.values()) if name not in asked]
    asked |= asking.ask(beside)
    first_call = next(iter(calls.values()))
    found = OwnCall(
        described(first_call),
        tuple(calls),
        features_of(first_call),
        guards_of(first_call),
        tuple(one for name in _in_order(old, new, found_for) for one in asked[name].answers),
        recipes=found_for,
        printed={recipe.backend: recipe.name for recipe in known.values() if recipe.backend},
    )
    return found if options["no_timing"] else _priced(found, old, own, asked, options, tell)


def _in_order(old: str, new: Sequence[str], recipes: Mapping[str, str]) -> list[str]:
    """Return the backends in order, each recipe right behind its backend."""
    pairs = (name for one in new for name in (one, recipes.get(one)) if name)
    return list(dict.fromkeys([old, *pairs]))


def _recipes(new: Sequence[str], asked: Mapping[str, OwnAnswers]) -> dict[str, Recipe]:
    """Return the recipe for each backend's library, where there is one."""
    names, backends = recipes(), known_backends()
    found = {name: recipe_of(name, asked[name].library, names, backends) for name in new}
    return {name: recipe for name, recipe in found.items() if recipe}


def _priced(
    found: OwnCall,
    old: str,
    own: Sources,
    asked: Mapping[str, OwnAnswers],
    options: Mapping[str, Any],
    tell: Callable[[object], None],
) -> OwnCall:
    from embcheck.cli.actions.migrate_timing import TimingBudget, priced  # noqa: PLC0415  (SciPy)

    backends = asked_right(asked, dict.fromkeys(one.backend for one in found.answers))
    if len(backends) < 2 or old not in backends:
        return found
    # All are timed on the same calls, so the slowest decides how long these may be.
    slowest = max(asked[name].seconds for name in backends)
    pairs = [
        (recipe, name)
        for name, recipe in (found.recipes or {}).items()
        if {name, recipe} <= set(backends)
    ]
    budget = TimingBudget(options["seconds"], options["timeout"])
    prices = priced((own, options["dtypes"]), backends, pairs, slowest, budget, tell)
    return replace(found, prices=prices.prices, beside=prices.beside, notes=prices.notes)

"""The data from which the page's script gives advice: that of `embcheck advise --run`, compact.

`templates/advice.js` decides from it as `answers/advice.py` does; a test checks that they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from embcheck.conformance.suite.features import Feature, shipped_features
from embcheck.conformance.suite.load import shipped_clauses
from embcheck.conformance.suite.model import Level
from embcheck.reports.answers.advice import candidates
from embcheck.reports.answers.compat_made import compat_of
from embcheck.reports.answers.letters import FORMS, INDICES, MODES, OPERATIONS, TABLES
from embcheck.reports.answers.recipe_advice import recipe_of
from embcheck.reports.answers.recipes import recipes
from embcheck.reports.answers.speeds import Speeds, speeds
from embcheck.reports.compat import Compat, Supported, bits_of
from embcheck.reports.families import family_of
from embcheck.reports.merge import Merged
from embcheck.reports.units import nanoseconds_text
from embcheck.reports.untrusted import clean

GROUPS: Final = {
    "lookup": "Lookups",
    "gradient": "Gradients of lookups",
    "frequency": "Gradients of lookups",
    "sparse": "Sparse gradients",
    "padding": "Padding of lookups",
    "max_norm": "max_norm",
    "module": "Modules and ready-made tables",
    "pretrained": "Modules and ready-made tables",
    "freeze": "Modules and ready-made tables",
    "bag": "Bags",
    "one_hot": "one_hot",
    "quantized": "Tables of 8 and 4 bits",
    "sizes": "Sizes",
}
"""Titles by the first word of a feature's name."""
MISTAKES: Final = "Mistakes that should be errors"


def advice_payload(merged: Merged) -> dict[str, Any] | None:
    """Return plain JSON data; None without results, or if every feature lacks some clause."""
    features = shipped_features().features
    # A run of only a user's own specs says nothing about features.
    known = {*merged.clauses}
    is_decided = any(
        feature.clauses and known.issuperset(feature.clauses) for feature in features.values()
    )
    if not merged.findings or not is_decided:
        return None
    return payload_of(compat_of(merged), features, speeds(merged.measurements, None))


def payload_of(
    data: Compat, features: Mapping[str, Feature], timed: Speeds | None
) -> dict[str, Any]:
    """Return the data as plain JSON: words and backends by their numbers, contexts as bits."""
    kinds = (*TABLES, *INDICES, *MODES, *FORMS, *OPERATIONS)
    words = sorted({*data.words, *data.uses, *kinds})
    place = {word: number for number, word in enumerate(words)}

    def bits(some: Iterable[str]) -> str:
        return bits_of(some, place)

    return {
        "words": words,
        "kinds": {
            name: bits(kind)
            for name, kind in (
                ("tables", TABLES),
                ("indices", INDICES),
                ("modes", MODES),
                ("forms", FORMS),
                ("operations", OPERATIONS),
                ("sizes", data.sizes),
            )
        },
        "features": [
            [
                name,
                says,
                group_of(features[name]),
                bits(data.about[name]),
                " ".join(bits(words) for words in data.contexts.get(name, ())),
            ]
            for name, says in data.features.items()
        ],
        "profiles": [
            [name, use.says, [*use.needs], [*use.refused]] for name, use in data.profiles.items()
        ],
        "backends": [_backend(data, name, timed) for name in candidates(data, timed)],
        "timed": None
        if timed is None
        else [clean(timed.workload), timed.circumstances, clean(timed.reference)],
    }


def group_of(feature: Feature) -> str:
    """Return the title that a feature stands under; mistakes to be refused have their own."""
    clauses = shipped_clauses()
    levels = {clauses[name].level for name in feature.clauses}
    # Without `get`: a feature with a new first word must be given a title.
    return MISTAKES if levels == {Level.DOMAIN} else GROUPS[feature.name.split(".")[0]]


def _backend(data: Compat, name: str, timed: Speeds | None) -> list[Any]:
    column = data.backends[name]
    recipe = recipe_of(name, column.library, recipes(), data.backends)
    words = [recipe.name, recipe.backend or ""] if recipe else []
    speed = timed.of(name) if timed else None
    cells = []
    for feature in data.features:
        found = data.supports(name, feature)
        # Answers for each dtype are used only if there are no letters for contexts.
        dtypes = {} if found.contexts else {key: _said(part) for key, part in found.dtypes.items()}
        cell = [_said(found), found.contexts, found.instead, found.example, dtypes]
        # There is one cell for each feature and backend, and most are just `yes`.
        while len(cell) > 1 and not cell[-1]:
            cell.pop()
        cells.append(cell if len(cell) > 1 else cell[0])
    told = None
    if speed is not None:
        told = [speed.ratio, speed.place, nanoseconds_text(speed.ns_per_lookup)]
    version = clean(f"{column.library} {column.version}".strip())
    family = clean(family_of(column.library))
    return [clean(name), version, family, words, told, cells]


def _said(found: Supported) -> str:
    return f"{found.support} {found.how or ''}".rstrip()

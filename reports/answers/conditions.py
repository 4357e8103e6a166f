"""What the failing cases of a feature have in common, as a short phrase."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.records.lines import CaseLine
from embcheck.reports.units import plural

MOST = 3
"""The most conditions in a phrase; if more are needed, the share of cases says more."""
LEAST_SIZE = 16
"""A size becomes a condition only if other calls reach this size: below it, it may be chance."""
_OBSERVED = {
    "grad_weight": "gradients",
    "grad_per_sample_weights": "gradients of weights",
    "weight_after": "the table afterwards",
    "weight_after_step": "training",
}
_UNUSUAL = ("nan", "inf", "-inf")
AXES = ("rows", "columns", "positions", "bags")
_STEP_SIZES = re.compile(rf"({'|'.join(AXES)}) = (\d[\d,]{{0,12}})")


def sizes_of(case: CaseLine) -> dict[str, int]:
    """Return the sizes of a case's call along its axes, as far as its record tells them."""
    weight, indices, offsets = (_shape(case, name) for name in ("weight", "indices", "offsets"))
    sizes: dict[str, int] = {}
    if weight is not None and len(weight) == 2:
        sizes["rows"], sizes["columns"] = weight
    if indices is not None:
        sizes["positions"] = math.prod(indices)
        if "bag" in str(case.call.get("operation")) and len(indices) == 2:
            sizes["bags"] = indices[0]
    if offsets is not None and len(offsets) == 1:
        # With this option, the last offset is the end of the last bag, not the start of one.
        sizes["bags"] = offsets[0] - bool(options_of(case).get("include_last_offset"))
    # Of several calls the record describes only the first; the labels of ladders have all sizes.
    for axis, size in _STEP_SIZES.findall(" ".join(map(str, case.steps))):
        sizes[axis] = max(sizes.get(axis, 0), int(size.replace(",", "")))
    return sizes


def table_dtype(case: CaseLine) -> str:
    """Return the dtype of a call's table; empty without one."""
    return str(inputs_of(case).get("weight", {}).get("dtype", ""))


def needs_of(case: CaseLine) -> frozenset[str]:
    """Name what a call needs of a backend: an operation, options, kinds of observations."""
    options = options_of(case)
    used = [
        name
        for name in options
        if name != "mode" and name in OPTIONS and OPTIONS[name].is_used(options)
    ]
    seen = [name for name in case.call.get("observe") or () if name in _OBSERVED]
    weights = [name for name in inputs_of(case) if name == "per_sample_weights"]
    return frozenset([str(case.call.get("operation")), *used, *seen, *weights])


def phrase(some: Collection[CaseLine], others: Collection[CaseLine]) -> str:
    """Return a phrase that sets some cases apart from all others, as `with float16 tables`.

    If up to `MOST` conditions do not cover these cases, the phrase says how many they are.
    """
    found = _said([*map(_facts, some)], [*map(_facts, others)])
    return found or f"in {len(some):,} of {plural(len(some) + len(others), 'case')}"


def phrase_of_words(some: Collection[Iterable[str]], others: Collection[Iterable[str]]) -> str:
    """Return a phrase that sets some sets of words apart, as `phrase` does; else empty."""
    return _said([_places(words) for words in some], [_places(words) for words in others])


def _places(words: Iterable[str]) -> Facts:
    return {word: place for place, word in enumerate(words)}


def _said(some: list[Facts], others: list[Facts]) -> str:
    found = _conditions(some, others)
    if not found:
        return ""
    *most, last = found
    return f"with {', '.join(most)} or {last}" if most else f"with {last}"


Facts = dict[str, int]
"""Words that describe a call, each with its place in a phrase."""


def _conditions(some: list[Facts], others: list[Facts]) -> list[str] | None:
    """Return at most `MOST` conditions: each of `some` meets one, none of `others` any; or None."""
    _add_sizes(some, others)
    places = {fact: place for facts in some for fact, place in facts.items()}
    single = sorted(places, key=lambda fact: places[fact])
    pure: list[tuple[str, ...]] = [
        (fact,) for fact in single if not any(fact in facts for facts in others)
    ]
    # Only pairs of several calls count: for a single call, any two words would do.
    pairs = [
        pair
        for pair in combinations(single, 2)
        if sum(facts.keys() >= {*pair} for facts in some) > 1
        and not any(facts.keys() >= {*pair} for facts in others)
    ]
    # A pair with a word that holds alone says no more than the word.
    pure += [pair for pair in pairs if not {*pure} & {(pair[0],), (pair[1],)}]
    chosen: list[tuple[str, ...]] = []
    left = some
    while left and pure and len(chosen) < MOST:
        # `max` takes the first of the best, and single words stand before pairs.
        best = max(pure, key=lambda words: sum(facts.keys() >= {*words} for facts in left))
        chosen.append(best)
        still = [facts for facts in left if not facts.keys() >= {*best}]
        if len(still) == len(left):
            return None
        left = still
    return None if left else [" and ".join(condition) for condition in chosen]


def _add_sizes(some: list[Facts], others: list[Facts]) -> None:
    """Replace the sizes of calls by words for the axes along which they exceed all other calls."""
    ours, theirs = _sizes_taken(some), _sizes_taken(others)
    for axis in AXES:
        most = max((sizes[axis] for sizes in theirs), default=0)
        for facts, sizes in zip(some, ours, strict=True):
            if sizes[axis] > most >= LEAST_SIZE:
                # Behind all other words: a size is the last thing to blame.
                facts[f"more than {most:,} {axis}"] = len(facts)


def _sizes_taken(calls: list[Facts]) -> list[dict[str, int]]:
    return [{axis: facts.pop(axis, 0) for axis in AXES} for facts in calls]


def _facts(case: CaseLine) -> Facts:
    """Return the words that describe a call, the plainest first, and its sizes by axis."""
    words = {word: place for place, word in enumerate(dict.fromkeys(_named(case)))}
    return words | sizes_of(case)


def _named(case: CaseLine) -> Iterator[str]:
    inputs = inputs_of(case)
    operation = str(case.call.get("operation", ""))
    for name, noun in (("weight", "tables"), ("indices", "indices")):
        if name in inputs:
            yield f"{inputs[name].get('dtype')} {noun}"
    yield from _named_options(case, is_bag="bag" in operation)
    for name in case.call.get("observe") or ():
        if name in _OBSERVED:
            yield _OBSERVED[name]
    yield _form(operation)
    yield from (f"no {axis}" for axis, size in sizes_of(case).items() if size == 0)
    yield from (f"{each['layout']} arrays" for each in inputs.values() if "layout" in each)
    if case.steps:
        yield "several calls in a row"
    yield from special(case)


def special(case: CaseLine) -> Iterator[str]:
    """Yield words for unusual values in a case: NaN or infinity, and empty bags."""
    inputs = inputs_of(case)
    if any(_has_specials(source.get("values")) for source in inputs.values()):
        yield "NaN or infinity"
    if _has_empty_bags(inputs.get("offsets", {}).get("values")):
        yield "empty bags"


def _named_options(case: CaseLine, *, is_bag: bool) -> Iterator[str]:
    inputs, options = inputs_of(case), options_of(case)
    if is_bag:
        yield f"mode {options.get('mode', OPTIONS['mode'].default)}"
        yield "offsets" if "offsets" in inputs else "two-dimensional indices"
    for name in options:
        option = OPTIONS.get(name)
        if option is not None and name != "mode" and option.is_used(options):
            yield name
            if name in ("padding_idx", "max_norm", "norm_type"):
                yield f"{name} {options[name]}"
    if "per_sample_weights" in inputs:
        yield "per_sample_weights"


def _form(operation: str) -> str:
    if operation.endswith("from_pretrained"):
        return "a table from outside"
    return "the module" if operation.endswith("module") else "the function"


def _has_specials(values: Any) -> bool:
    if isinstance(values, list):
        return any(_has_specials(value) for value in values)
    return isinstance(values, str) and values in _UNUSUAL


def _has_empty_bags(offsets: Any) -> bool:
    if not isinstance(offsets, list):
        return False
    return any(a == b for a, b in pairwise(offsets))


def inputs_of(case: CaseLine) -> Mapping[str, Mapping[str, Any]]:
    """Return the inputs of a case's call, as far as its record describes them."""
    inputs = case.call.get("inputs")
    if not isinstance(inputs, Mapping):
        return {}
    return {str(name): source for name, source in inputs.items() if isinstance(source, Mapping)}


def options_of(case: CaseLine) -> Mapping[str, Any]:
    """Return the options of a case's call."""
    options = case.call.get("options")
    return options if isinstance(options, Mapping) else {}


def _shape(case: CaseLine, name: str) -> Sequence[int] | None:
    shape = inputs_of(case).get(name, {}).get("shape")
    # Records may come from strangers: an invalid shape is ignored.
    plain = isinstance(shape, list) and all(isinstance(size, int) for size in shape)
    return shape if plain else None

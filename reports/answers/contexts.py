"""Contexts: what the cases of a feature use, and a letter for the outcome in each context.

A context is a set of words, such as `mode mean` and `padding_idx`, that some cases of a feature
share. For each backend and feature, data on compatibility has one letter per context, so that
advice can count only the contexts that concern a user's needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from embcheck.conformance.contract.options import OPTIONS
from embcheck.conformance.records.lines import CaseLine
from embcheck.conformance.suite.features import Feature
from embcheck.reports.answers.conditions import inputs_of, options_of, sizes_of, special
from embcheck.reports.answers.letters import (
    ABSENT,
    FAILED,
    INDICES,
    MODES,
    OPERATIONS,
    PARTLY,
    PASSED,
    TABLES,
    UNDECIDED,
    UNKNOWN,
    Words,
)
from embcheck.reports.answers.support import group_of, how_of
from embcheck.reports.merge import MergedResult

_OPTIONS = (
    *("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"),
    "include_last_offset",
)
# Observations that are alike to a user share a word: the ways to train, or those of one gradient.
_OBSERVED: Mapping[str, str] = {
    "grad_weight": "gradients",
    "grad_weight_is_sparse": "the form of gradients",
    "sparse_grad_rows": "gradients",
    "sparse_grad_values": "gradients",
    "grad_weight_after_earlier_use": "gradients",
    "grad_weight_after_earlier_use_of_clone": "gradients",
    "grad_per_sample_weights": "gradients of weights",
    "weight_after": "the table afterwards",
    "trained_weight": "training",
    "weight_trained_by_adagrad": "training",
    "weight_trained_by_sparse_adam": "training",
}
_LETTERS = {"passed": PASSED, "absent": ABSENT, "missing": UNKNOWN}


def words_of(case: CaseLine, features: Iterable[Feature]) -> Words:
    """Return words for what a case uses; `features` are all features, for the words of sizes."""
    sizes = sizes_of(case)
    large = (
        size_word(feature)
        for feature in features
        if feature.beyond and sizes.get(feature.beyond.axis, 0) > feature.beyond.size
    )
    return frozenset([*_words(case, sizes), *large])


def size_word(feature: Feature) -> str:
    """Return the word for the sizes that a feature is about, as `more than 1,024 bags`."""
    beyond = feature.beyond
    return f"more than {beyond.size:,} {beyond.axis}" if beyond else ""


def _words(case: CaseLine, sizes: Mapping[str, int]) -> Iterator[str]:
    inputs, options = inputs_of(case), options_of(case)
    operation = str(case.call.get("operation", ""))
    for name, noun, known in (("weight", "tables", TABLES), ("indices", "indices", INDICES)):
        word = f"{inputs.get(name, {}).get('dtype')} {noun}"
        # A case that must be refused may use an illegal dtype, which no feature is about.
        if word in known:
            yield word
    lookups, bags, one_hot = OPERATIONS
    if "bag" in operation:
        yield bags
        mode = f"mode {options.get('mode', OPTIONS['mode'].default)}"
        if mode in MODES:
            yield mode
        yield "offsets" if "offsets" in inputs else "two-dimensional indices"
    else:
        yield one_hot if operation == "one_hot" else lookups
    yield from (name for name in _OPTIONS if name in options and OPTIONS[name].is_used(options))
    if str(options.get("padding_idx", "")).startswith("-"):
        yield "negative padding_idx"
    if "per_sample_weights" in inputs:
        yield "per_sample_weights"
    yield from _form(case, sizes)
    yield from special(case)


def _form(case: CaseLine, sizes: Mapping[str, int]) -> Iterator[str]:
    inputs, options = inputs_of(case), options_of(case)
    operation = str(case.call.get("operation", ""))
    yield from (_OBSERVED[name] for name in case.call.get("observe") or () if name in _OBSERVED)
    if operation.endswith("from_pretrained"):
        yield "a table from outside"
    elif operation.endswith("module"):
        yield "the module"
    if inputs.get("indices", {}).get("shape") == []:
        yield "a single index"
    yield from (f"no {axis}" for axis, size in sizes.items() if size == 0)
    # Libraries treat the positions behind the last offset differently.
    if _ends_early(inputs, options, sizes):
        yield "a last offset before the end"
    if any("layout" in each for each in inputs.values()):
        yield "other layouts"


def _ends_early(
    inputs: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any], sizes: Mapping[str, int]
) -> bool:
    offsets = inputs.get("offsets", {}).get("values")
    if not (options.get("include_last_offset") and isinstance(offsets, list) and offsets):
        return False
    return isinstance(offsets[-1], int) and offsets[-1] < sizes.get("positions", 0)


def table_of(
    cases: Mapping[str, Words], deciding: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Words, ...]]:
    """Return the contexts of each feature: `cases` has the words of each case by its id."""
    found: dict[str, set[Words]] = {}
    for case, words in cases.items():
        for feature in deciding.get(case, ()):
            found.setdefault(feature, set()).add(words)
    return {name: tuple(sorted(sets, key=sorted)) for name, sets in found.items()}


def letters(
    contexts: Sequence[Words],
    findings: Iterable[MergedResult],
    cases: Mapping[str, Words],
    without: Iterable[str],
    instead: str,
) -> str:
    """Return one letter for each context of a feature, from the findings of its cases.

    `without` are the cases that have no result, `instead` a spelling that conforms.
    """
    outcomes: dict[Words, set[str]] = {words: set() for words in contexts}
    for finding in findings:
        how = how_of(finding)
        if how is None:
            letter = _LETTERS[group_of(finding)]
        else:
            # A capital only if the spelling that the feature names is also that of this case.
            deviation = finding.result.deviation if finding.result else None
            conforms = bool(instead and deviation and deviation.conforms_as == instead)
            letter = FAILED[str(how)].upper() if conforms else FAILED[str(how)]
        outcomes.setdefault(cases[finding.case.case], set()).add(letter)
    for case in without:
        outcomes.setdefault(cases[case], set()).add(UNKNOWN)
    return "".join(_worst(outcomes[words]) for words in contexts)


def _worst(seen: set[str]) -> str:
    """Return one letter for several cases: the worst failure, else unknown if any is."""
    failures = [letter for letter in seen if letter.lower() in FAILED.values()]
    if failures:
        worst = min(map(str.lower, failures), key=[*FAILED.values()].index)
        # A capital promises that a spelling conforms: it must do so for every case of the context.
        return worst.upper() if all(map(str.isupper, failures)) else worst
    if UNKNOWN in seen:
        return UNKNOWN
    if not seen:  # Bounds were too wide to judge the answers, or no case is for this backend.
        return UNDECIDED
    return PARTLY if len(seen) > 1 else seen.pop()

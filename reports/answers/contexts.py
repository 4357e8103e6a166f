"""What the cases of a feature use besides, and what comes of them: who needs what is hit by what.

A context is a set of words, such as `mode mean` and `padding_idx`, that some cases of a feature
share. Data on compatibility has, for each backend and feature, one letter a context.
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
# Words tell apart what a feature may be about: ways to train, or the forms of one gradient, are
# alike to a user, and share a word.
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
    """Name what a case uses; `features` are all, whose sizes are words too."""
    sizes = sizes_of(case)
    large = (
        size_word(feature)
        for feature in features
        if feature.beyond and sizes.get(feature.beyond.axis, 0) > feature.beyond.size
    )
    return frozenset([*_words(case, sizes), *large])


def size_word(feature: Feature) -> str:
    """Name the sizes that a feature is about, as `more than 1,024 bags`."""
    beyond = feature.beyond
    return f"more than {beyond.size:,} {beyond.axis}" if beyond else ""


def _words(case: CaseLine, sizes: Mapping[str, int]) -> Iterator[str]:
    inputs, options = inputs_of(case), options_of(case)
    operation = str(case.call.get("operation", ""))
    for name, noun, known in (("weight", "tables", TABLES), ("indices", "indices", INDICES)):
        word = f"{inputs.get(name, {}).get('dtype')} {noun}"
        # A case may use a dtype that is not legal, to be refused: no feature is about that one.
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
    # Libraries differ in what becomes of the positions behind the last offset.
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
    """Return one letter for each context of a feature, by the findings of its cases.

    `without` are the cases that have no result, `instead` a spelling that conforms.
    """
    outcomes: dict[Words, set[str]] = {words: set() for words in contexts}
    for finding in findings:
        how = how_of(finding)
        if how is None:
            letter = _LETTERS[group_of(finding)]
        else:
            # In capitals only where the spelling that the feature names is this case's own.
            deviation = finding.result.deviation if finding.result else None
            conforms = bool(instead and deviation and deviation.conforms_as == instead)
            letter = FAILED[str(how)].upper() if conforms else FAILED[str(how)]
        outcomes.setdefault(cases[finding.case.case], set()).add(letter)
    for case in without:
        outcomes.setdefault(cases[case], set()).add(UNKNOWN)
    return "".join(_worst(outcomes[words]) for words in contexts)


def _worst(seen: set[str]) -> str:
    """Return the letter of several cases: the worst failure, else what is not known."""
    failures = [letter for letter in seen if letter.lower() in FAILED.values()]
    if failures:
        worst = min(map(str.lower, failures), key=[*FAILED.values()].index)
        # A capital promises that a spelling conforms: it must do so for every case of the context.
        return worst.upper() if all(map(str.isupper, failures)) else worst
    if UNKNOWN in seen:
        return UNKNOWN
    if not seen:  # No bound was narrow enough to judge, or the backend was not to be asked.
        return UNDECIDED
    return PARTLY if len(seen) > 1 else seen.pop()

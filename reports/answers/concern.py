"""Whether a backend supports a feature in the calls that concern a user's needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache

from embcheck.reports.answers.conditions import phrase_of_words
from embcheck.reports.answers.letters import (
    ABSENT,
    FAILED,
    FAILURES,
    FORMS,
    INDICES,
    MARGINAL,
    MODES,
    OPERATIONS,
    PARTLY,
    PASSED,
    TABLES,
    UNDECIDED,
    UNKNOWN,
    Words,
    unpacked,
    worst_of,
)
from embcheck.reports.compat import Compat, Supported


@dataclass(frozen=True)
class Needs:
    """What a user needs: features, mistakes to be refused, and dtypes.

    `refused` are the features that turn mistakes into errors. `dtype` is that of the tables,
    `indices` has the dtypes of the indices. `profile` names the profile that the needs come from.
    """

    features: tuple[str, ...]
    refused: tuple[str, ...] = ()
    dtype: str = "float32"
    indices: tuple[str, ...] = ("int64",)
    profile: str = ""


@dataclass(frozen=True)
class Remark:
    """A feature, and whether a backend supports it in the calls that concern a user's needs.

    `found` is decided only by these calls. `words` says in which of them it fails; empty if in
    all. `by` is another spelling of the library with which all failing calls conform; empty if
    there is none.
    """

    feature: str
    found: Supported
    words: str = ""
    by: str = ""


class Concern:
    """The choice of the cases that concern a user: those that use nothing beyond the needs.

    For example, a case with `max_norm` is left out if `max_norm` is not needed. Of alternatives
    such as the modes, those that the needs name count; if they name none, all count.
    """

    def __init__(self, data: Compat, needs: Needs) -> None:
        self._data = data
        self._needs = needs
        # By feature: the cases that concern the needs are the same for every backend.
        self._kept: dict[str, tuple[int, ...]] = {}
        self._words = frozenset[str]().union(*(self._own(name) for name in needs.features))
        self._chosen: Mapping[tuple[str, ...], Words] = {
            OPERATIONS: self._words & {*OPERATIONS},
            TABLES: frozenset({f"{needs.dtype} tables"}),
            INDICES: frozenset(f"{name} indices" for name in needs.indices),
            MODES: self._words & {*MODES},
            FORMS: self._words & {*FORMS},
        }

    def remark(self, backend: str, feature: str) -> Remark:
        """Return whether a backend supports a feature, in the calls that concern the needs."""
        found = self._data.supports(backend, feature)
        told = self._told(feature, found)
        if told is None:
            return Remark(feature, self._plain(found))
        gates = self._own(feature) - _FREE - self._data.shared[feature]
        return _remark(feature, found, told, gates)

    def is_blocked(self, backend: str, feature: str) -> bool:
        """Whether a feature blocks; faster than `remark`, because it makes no phrase."""
        found = self._data.supports(backend, feature)
        told = self._told(feature, found)
        if told is None:
            return blocks(self._plain(found))
        if worst_of(told.values()) is not None:
            return True
        # Absence blocks only if its share of the contexts is large; `remark` counts that.
        is_partly = bool({ABSENT, PARTLY} & {*told.values()})
        return is_partly and blocks(self.remark(backend, feature).found)

    def _told(self, feature: str, found: Supported) -> dict[Words, str] | None:
        """Return the letters of the contexts that concern the needs; None without letters."""
        letters = unpacked(found.contexts)
        contexts = self._data.contexts.get(feature, ())
        # There are no letters if nothing fails, or if the contexts changed since they were made.
        if not letters or len(letters) != len(contexts):
            return None
        told = {contexts[place]: letters[place] for place in self.places(feature)}
        wanted = self._chosen[INDICES]
        # A refusal of int64 indices does not count where other indices are used, and the same
        # call with one of their dtypes decides.
        return {
            words: letter
            for words, letter in told.items()
            if not (
                letter in _REFUSED
                and words & {*INDICES} == _INT64 != wanted
                and any(((words - _INT64) | {word}) in told for word in wanted)
            )
        }

    def _plain(self, found: Supported) -> Supported:
        """Return the answer for tables of the needed dtype, if there are no letters."""
        part = found.for_tables(self._needs.dtype)
        return found if part is found else replace(found, support=part.support, how=part.how)

    def _own(self, feature: str) -> Words:
        """Return the words that a feature is about, with the operation that all its cases use."""
        shared = self._data.shared.get(feature, frozenset())
        return self._data.about.get(feature, frozenset()) | (shared & _OPERATIONS)

    def places(self, feature: str) -> tuple[int, ...]:
        """Return the positions of the contexts of a feature that concern the needs."""
        if feature not in self._kept:
            self._kept[feature] = tuple(self._places(feature))
        return self._kept[feature]

    def _places(self, feature: str) -> list[int]:
        contexts, own = self._data.contexts[feature], self._own(feature)
        allowed = self._words | own | self._data.shared[feature]
        if own & {*self._data.sizes}:
            # What is large along one axis is often large along another.
            allowed |= {*self._data.sizes}
        every = [*range(len(contexts))]
        # If every case uses something beyond the needs, all decide: better than no answer.
        kept = [place for place in every if contexts[place] - _FREE <= allowed] or every
        for kinds, chosen in self._chosen.items():
            if not chosen:
                continue
            others = frozenset(kinds) - chosen - own
            direct = [place for place in kept if not contexts[place] & others]
            usual = _USUAL.get(kinds, frozenset()) & others
            if usual:
                # Most cases exist only with the usual dtypes. Those with int64 indices always
                # count (but see `_told`). Those with float32 tables count if there is no such
                # call with the needed dtype.
                told = {contexts[place] - {*kinds} for place in direct}
                direct += [
                    place
                    for place in kept
                    if contexts[place] & {*kinds} == usual
                    and (kinds is INDICES or contexts[place] - {*kinds} not in told)
                ]
            # If no case uses a wanted alternative, cases with the other ones decide.
            kept = direct or kept
        return sorted(kept)


_FREE = frozenset([*TABLES, *INDICES, *MODES, *FORMS, *OPERATIONS])
"""Words for alternatives, such as dtypes and modes, which a case has whatever it is about."""
_OPERATIONS = frozenset(OPERATIONS)
_INT64 = frozenset({"int64 indices"})
_REFUSED = frozenset([ABSENT, PARTLY, FAILED["loudly"], FAILED["loudly"].upper()])
_USUAL = {TABLES: frozenset({"float32 tables"}), INDICES: _INT64}
"""The dtypes that most cases have."""


def _remark(feature: str, found: Supported, told: Mapping[Words, str], gates: Words) -> Remark:
    """Decide a feature by the letters of the contexts that concern the user's needs."""
    # An undecided context is no evidence, for or against.
    told = {words: letter for words, letter in told.items() if letter != UNDECIDED}
    seen = {*told.values()}
    how = worst_of(seen)
    passes = [words for words, letter in told.items() if letter in (PASSED, PARTLY)]
    failing: list[Words] = []
    if how is not None:
        support = "no" if found.support == "no" else "partly"
        failing = [words for words, letter in told.items() if letter.lower() in FAILURES]
    elif UNKNOWN in seen or not seen:
        support = "unknown"
    elif not {ABSENT, PARTLY} & seen:
        support = "yes"
    else:
        # A feature is not offered if only cases pass that do not use what it is about.
        uses = any(words & gates for words in passes) or not any(words & gates for words in told)
        is_offered = uses and len(passes) > MARGINAL * len(told)
        support = "partly" if is_offered else "absent"
        if is_offered:
            failing = [words for words, letter in told.items() if letter in (ABSENT, PARTLY)]
    # A capital letter: the cases pass with the other spelling.
    by = found.instead if how and all(told[words].isupper() for words in failing) else ""
    part = replace(found, support=support, how=how, contexts="", dtypes={})
    # Only compared with cases that use the feature: others say nothing about it.
    about = [words for words in told if words & gates] or [*told]
    return Remark(feature, part, _with(failing, about), by)


def _with(failing: Collection[Words], kept: Collection[Words]) -> str:
    """Return a phrase for what sets the failing contexts apart; empty if all fail."""
    others = [words for words in kept if words not in failing]
    if not failing or not others:
        return ""
    return _said(frozenset(failing), frozenset(others))


@cache
def _said(failing: frozenset[Words], others: frozenset[Words]) -> str:
    def listed(sets: frozenset[Words]) -> list[list[str]]:
        return [sorted(words) for words in sorted(sets, key=sorted)]

    said = phrase_of_words(listed(failing), listed(others))
    return said or f"in {len(failing)} of {len(failing) + len(others)} kinds of calls"


def blocks(found: Supported) -> bool:
    """Whether a feature fails, or is not offered at all; being offered in part does not block."""
    return found.how is not None or found.support in ("no", "absent")

"""What a backend makes of a feature, as far as that concerns a user's needs."""

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
    """Names of features that are needed, and of those by which mistakes are errors; dtypes.

    `dtype` is that of tables, `indices` are those of indices. `profile` is the name of the profile
    that they are of.
    """

    features: tuple[str, ...]
    refused: tuple[str, ...] = ()
    dtype: str = "float32"
    indices: tuple[str, ...] = ("int64",)
    profile: str = ""


@dataclass(frozen=True)
class Remark:
    """A feature, and what a backend makes of it, as far as it concerns a user's needs.

    `found` is decided by the calls that concern the needs alone. `words` says with which of these
    it fails; empty where it is with all of them. `by` is a spelling of the library's by which all
    that fails here conforms; empty if there is none.
    """

    feature: str
    found: Supported
    words: str = ""
    by: str = ""


class Concern:
    """Which cases concern a user: those that use nothing but what the needs are about.

    A case with `max_norm` says nothing to who does not need it. Of what excludes one another, as
    modes do, the needs name what is used, or all of it is, if they name none.
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
        """Return what a backend makes of a feature, as far as that concerns the needs."""
        found = self._data.supports(backend, feature)
        told = self._told(feature, found)
        if told is None:
            return Remark(feature, self._plain(found))
        gates = self._own(feature) - _FREE - self._data.shared[feature]
        return _remark(feature, found, told, gates)

    def is_blocked(self, backend: str, feature: str) -> bool:
        """Whether what `remark` returns blocks, without the time to say with what."""
        found = self._data.supports(backend, feature)
        told = self._told(feature, found)
        if told is None:
            return blocks(self._plain(found))
        if worst_of(told.values()) is not None:
            return True
        # Absence blocks only by its share of the contexts, which `remark` counts.
        is_partly = bool({ABSENT, PARTLY} & {*told.values()})
        return is_partly and blocks(self.remark(backend, feature).found)

    def _told(self, feature: str, found: Supported) -> dict[Words, str] | None:
        """Return the letters of the contexts that concern the needs; None without letters."""
        letters = unpacked(found.contexts)
        contexts = self._data.contexts.get(feature, ())
        # Letters are left out where all is well, and where contexts changed since they were made.
        if not letters or len(letters) != len(contexts):
            return None
        told = {contexts[place]: letters[place] for place in self.places(feature)}
        wanted = self._chosen[INDICES]
        # That indices of another dtype are refused is no matter, where those that are used are not.
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
        """Decide by tables of the dtype alone, where nothing more is known."""
        part = found.for_tables(self._needs.dtype)
        return found if part is found else replace(found, support=part.support, how=part.how)

    def _own(self, feature: str) -> Words:
        """Return what a feature is about, with the operation that all of its cases ask for."""
        shared = self._data.shared.get(feature, frozenset())
        return self._data.about.get(feature, frozenset()) | (shared & _OPERATIONS)

    def places(self, feature: str) -> tuple[int, ...]:
        """Return the places of those contexts of a feature that concern the needs."""
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
        # Where every case uses something besides, they all decide: better than no answer.
        kept = [place for place in every if contexts[place] - _FREE <= allowed] or every
        for kinds, chosen in self._chosen.items():
            if not chosen:
                continue
            others = frozenset(kinds) - chosen - own
            direct = [place for place in kept if not contexts[place] & others]
            usual = _USUAL.get(kinds, frozenset()) & others
            if usual:
                # Most is asked with the usual dtypes alone. Indices of 64 bits always count (but
                # see `_told`); tables of float32 where the same call with the other dtype is
                # not asked.
                told = {contexts[place] - {*kinds} for place in direct}
                direct += [
                    place
                    for place in kept
                    if contexts[place] & {*kinds} == usual
                    and (kinds is INDICES or contexts[place] - {*kinds} not in told)
                ]
            # Where no case is of the kind that is used, those of the other kinds decide.
            kept = direct or kept
        return sorted(kept)


_FREE = frozenset([*TABLES, *INDICES, *MODES, *FORMS, *OPERATIONS])
"""Words of which a case has one each, whatever it is about."""
_OPERATIONS = frozenset(OPERATIONS)
_INT64 = frozenset({"int64 indices"})
_REFUSED = frozenset([ABSENT, PARTLY, FAILED["loudly"], FAILED["loudly"].upper()])
_USUAL = {TABLES: frozenset({"float32 tables"}), INDICES: _INT64}
"""The dtypes that most cases have."""


def _remark(feature: str, found: Supported, told: Mapping[Words, str], gates: Words) -> Remark:
    """Decide a feature by the letters of the contexts that concern the user's needs."""
    # What no bound was narrow enough to judge is evidence neither way.
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
        # Cases that do not use what the feature is about do not make it one that is offered.
        uses = any(words & gates for words in passes) or not any(words & gates for words in told)
        is_offered = uses and len(passes) > MARGINAL * len(told)
        support = "partly" if is_offered else "absent"
        if is_offered:
            failing = [words for words, letter in told.items() if letter in (ABSENT, PARTLY)]
    # A capital letter: the cases pass by the spelling.
    by = found.instead if how and all(told[words].isupper() for words in failing) else ""
    part = replace(found, support=support, how=how, contexts="", dtypes={})
    # Compared with cases that use the feature: that others pass tells nothing of it.
    about = [words for words in told if words & gates] or [*told]
    return Remark(feature, part, _with(failing, about), by)


def _with(failing: Collection[Words], kept: Collection[Words]) -> str:
    """Say with what something fails, if it is not with everything."""
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
    """Whether something fails or is not offered at all; a part that is not offered is a limit."""
    return found.how is not None or found.support in ("no", "absent")

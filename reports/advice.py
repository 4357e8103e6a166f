"""Which backends have what somebody needs, and what is in the way of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from embcheck.reports.compat import Compat, CompatError, Supported, Use
from embcheck.reports.conditions import phrase_of_words
from embcheck.reports.contexts import (
    ABSENT,
    FAILURES,
    FORMS,
    INDICES,
    MODES,
    OPERATIONS,
    PARTLY,
    PASSED,
    TABLES,
    UNKNOWN,
    Words,
    unpacked,
    worst_of,
)

MARGINAL = 0.1
"""The share of contexts that says nothing of a backend which lacks all others."""


class Fit(StrEnum):
    """Whether a backend has all that is needed, the best first."""

    FITS = "fits"
    UNGUARDED = "unguarded"
    """It has all that is needed, but mistakes that should be errors are not."""
    UNKNOWN = "unknown"
    """Nothing that is needed fails, but some of it was not asked."""
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Remark:
    """A feature, and what a backend makes of it, as far as it concerns somebody's needs.

    `words` says which of the needs it fails with; empty where it fails whatever is used, or `found`
    says it. `by` is a spelling of the library's by which all that fails here conforms; empty if
    there is none.
    """

    feature: str
    found: Supported
    words: str = ""
    by: str = ""


@dataclass(frozen=True)
class Advice:
    """What a backend means for somebody's needs.

    `blockers` are the needs that it has not, the worst first; `unguarded` the mistakes that it does
    not refuse; `unknown` what was not asked; `limits` what it offers, but not with everything.
    """

    backend: str
    fit: Fit
    blockers: tuple[Remark, ...] = ()
    unguarded: tuple[Remark, ...] = ()
    unknown: tuple[Remark, ...] = ()
    limits: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Needs:
    """Names of features that are needed, and of those by which mistakes are errors; dtypes.

    `indices` are the dtypes of indices. `profile` is the name of the profile that they are of.
    """

    features: tuple[str, ...]
    refused: tuple[str, ...] = ()
    dtype: str = "float32"
    indices: tuple[str, ...] = ("int64",)
    profile: str = ""


def gather(
    data: Compat, needs: Collection[str], profile: str | None, dtype: str, use: Use | None = None
) -> Needs:
    """Join the needs of a profile and those named; raises CompatError for an unknown name.

    `use` is somebody's own profile, in place of one that `data` has. Needs may name dtypes too:
    `int32` and `int64` of indices, and those of tables.
    """
    if profile is not None and use is None:
        if profile not in data.profiles:
            known = ", ".join(data.profiles)
            raise CompatError(f"no profile '{profile}'; there are {known}, or name a YAML file")
        use = data.profiles[profile]
    tables = [name for name in needs if f"{name} tables" in TABLES]
    indices = [name for name in needs if f"{name} indices" in INDICES]
    if len({*tables}) > 1:
        raise CompatError(f"tables of {' and '.join(tables)}: ask for one dtype at a time")
    named = [name for name in needs if name not in (*tables, *indices)]
    for name in named:
        if name not in data.features:
            raise CompatError(f"no feature '{name}'; {data.hint(name)}")
    features = tuple(dict.fromkeys([*(use.needs if use else ()), *named]))
    brought = [
        word.split()[0] for word in INDICES if {*features} & {*data.uses.get(word, ())}
    ]  # fmt: skip
    return Needs(
        features,
        use.refused if use else (),
        tables[0] if tables else dtype,
        tuple(dict.fromkeys([*indices, *brought])) or ("int64",),
        profile or "",
    )


def advise(data: Compat, needs: Needs) -> list[Advice]:
    """Return what each backend means for somebody's needs, the best first."""
    found = [advice_on(data, backend, needs) for backend in data.backends]
    order = list(Fit)
    return sorted(
        found,
        key=lambda a: (order.index(a.fit), len(a.blockers), len(a.unguarded), len(a.limits)),
    )


def advice_on(data: Compat, backend: str, needs: Needs) -> Advice:
    """Return what one backend means for somebody's needs; raises CompatError for an unknown one."""
    concern = Concern(data, needs)
    parts = [concern.remark(backend, name) for name in needs.features]
    guards = [concern.remark(backend, name) for name in needs.refused]
    blockers = sorted((r for r in parts if blocks(r.found)), key=lambda r: severity(r.found))
    unknown = tuple(r for r in parts if r.found.support == "unknown")
    unguarded = tuple(r for r in guards if r.found.support != "yes")
    limits = tuple(r for r in parts if r.found.support == "partly" and not blocks(r.found))
    if blockers:
        fit = Fit.BLOCKED
    elif unknown:
        fit = Fit.UNKNOWN
    else:
        fit = Fit.UNGUARDED if unguarded else Fit.FITS
    return Advice(backend, fit, tuple(blockers), unguarded, unknown, limits)


class Concern:
    """Which cases concern somebody: those that use nothing but what the needs are about.

    A case with `max_norm` says nothing to who does not need it. Of what excludes one another, as
    modes do, the needs name what is used, or all of it is, if they name none.
    """

    def __init__(self, data: Compat, needs: Needs) -> None:
        self._data = data
        self._needs = needs
        self._words = frozenset().union(*(self._own(name) for name in needs.features))
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
        contexts = self._data.contexts.get(feature, ())
        letters = unpacked(found.contexts)
        if not letters or len(letters) != len(contexts):
            part = found.for_tables(self._needs.dtype)
            if part is not found:
                found = replace(found, support=part.support, how=part.how)
            return Remark(feature, found, by=found.instead if blocks(found) else "")
        told = dict(zip(contexts, letters, strict=True))
        gates = self._own(feature) - _FREE
        return _remark(feature, found, told, self._kept(feature, contexts), gates)

    def _own(self, feature: str) -> Words:
        """Return what a feature is about, with the operation that all of its cases ask for."""
        about = frozenset(word for word, names in self._data.uses.items() if feature in names)
        contexts = self._data.contexts.get(feature, ())
        shared = frozenset.intersection(*contexts) if contexts else frozenset()
        return about | (shared & {*OPERATIONS})

    def _kept(self, feature: str, contexts: Collection[Words]) -> list[Words]:
        """Return the contexts of a feature that concern the needs."""
        own = self._own(feature)
        allowed = self._words | own | frozenset.intersection(*contexts)
        if own & {*self._data.sizes}:
            allowed |= {*self._data.sizes}
        kept = [words for words in contexts if words - _FREE <= allowed] or [*contexts]
        for kinds, chosen in self._chosen.items():
            wanted = chosen | (own & {*kinds}) if chosen else frozenset(kinds)
            # Where no case is of the kind that is used, those of the other kinds decide.
            kept = [words for words in kept if words & {*kinds} <= wanted] or kept
        return kept


_FREE = frozenset([*TABLES, *INDICES, *MODES, *FORMS, *OPERATIONS])
"""Words of which a case has one each, whatever it is about."""


def _remark(
    feature: str,
    found: Supported,
    letters: Mapping[Words, str],
    kept: Collection[Words],
    gates: Words,
) -> Remark:
    seen = [letters[words] for words in kept]
    how = worst_of(seen)
    passes = [words for words in kept if letters[words] in (PASSED, PARTLY)]
    failing: list[Words] = []
    if how is not None:
        support = "no" if found.support == "no" else "partly"
        failing = [words for words in kept if letters[words].lower() in FAILURES]
    elif UNKNOWN in seen:
        support = "unknown"
    elif not {ABSENT, PARTLY} & {*seen}:
        support = "yes"
    else:
        # Cases that do not use what the feature is about do not make it one that is offered.
        uses = any(words & gates for words in passes) or not any(words & gates for words in kept)
        is_offered = uses and len(passes) > MARGINAL * len(seen)
        support = "partly" if is_offered else "absent"
        if is_offered:
            failing = [words for words in kept if letters[words] in (ABSENT, PARTLY)]
    by = found.instead if how and all(letters[words].isupper() for words in failing) else ""
    part = replace(found, support=support, how=how)
    return Remark(feature, part, _with(failing, kept), by)


def _with(failing: Collection[Words], kept: Collection[Words]) -> str:
    """Say with what something fails, if it is not with everything."""
    others = [words for words in kept if words not in failing]
    if not failing or not others:
        return ""
    said = phrase_of_words([sorted(w) for w in failing], [sorted(w) for w in others])
    return said or f"in {len(failing)} of {len(kept)} kinds of calls"


def blocks(found: Supported) -> bool:
    """Whether something fails or is not offered at all; a part that is not offered is a limit."""
    return found.how is not None or found.support in ("no", "absent")


def severity(found: Supported) -> int:
    """Sort silent failures before deaths, those before loud ones, and those before absence."""
    return ("silently", "dying", "loudly", None).index(found.how)

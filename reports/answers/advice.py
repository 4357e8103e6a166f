"""Which backends have what a user needs, and what is in the way of the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from embcheck.conformance.near import did_you_mean
from embcheck.reports.answers.concern import Concern, Needs, Remark, blocks
from embcheck.reports.answers.letters import DTYPES, INDEX_DTYPES
from embcheck.reports.compat import Compat, CompatError, Use

if TYPE_CHECKING:
    from embcheck.reports.answers.speeds import Speeds

REFERENCE = "numpy-reference"
"""It has every feature by definition, but nobody would move to it."""


class Fit(StrEnum):
    """Whether a backend has all that is needed, the best first."""

    FITS = "fits"
    UNGUARDED = "unguarded"
    """It has all that is needed, but does not refuse all mistakes that should be errors."""
    UNKNOWN = "unknown"
    """No needed feature fails, but some have no result."""
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Advice:
    """What a backend means for a user's needs.

    `blockers` are the needs that it lacks, the worst first; `unguarded` the mistakes that it does
    not refuse; `unknown` the needs without a result; `limits` the needs that it meets in part.
    `beside` names needed features that fail only in calls that do not concern the needs.
    """

    backend: str
    fit: Fit
    blockers: tuple[Remark, ...] = ()
    unguarded: tuple[Remark, ...] = ()
    unknown: tuple[Remark, ...] = ()
    limits: tuple[Remark, ...] = ()
    beside: tuple[str, ...] = ()


def candidates(data: Compat, timed: Speeds | None) -> list[str]:
    """List the backends to give advice on if the user names none.

    The reference is left out, unless it was timed or is the only backend.
    """
    is_timed = timed is not None and timed.of(REFERENCE) is not None
    others = [name for name in data.backends if is_timed or name != REFERENCE]
    return others or [REFERENCE]


def gather(
    data: Compat, needs: Collection[str], profile: str | None, dtype: str, use: Use | None = None
) -> Needs:
    """Join the needs of a profile with those named; raise CompatError for an unknown name.

    `use` is a user's own profile, instead of one that `data` has. Needs may also name dtypes:
    `int32` and `int64` are those of indices, all others those of tables.
    """
    if profile is not None and use is None:
        if profile not in data.profiles:
            known = f"there are {', '.join(data.profiles)}, or name a YAML file"
            hint = did_you_mean(profile, data.profiles, known)
            raise CompatError(f"no profile '{profile}'; {hint}")
        use = data.profiles[profile]
    # `int32` is an index dtype and `float16` a table's: no name is of both kinds.
    tables = [name for name in needs if name in DTYPES]
    indices = [name for name in needs if name in INDEX_DTYPES]
    if len({*tables}) > 1:
        raise CompatError(f"tables of {' and '.join(tables)}: ask for one dtype at a time")
    named = [name for name in needs if name not in (*tables, *indices)]
    wanted = [*(use.needs if use else ()), *named]
    features = tuple(dict.fromkeys(map(data.feature_named, wanted)))
    refused = tuple(map(data.feature_named, use.refused if use else ()))
    # `lookup.int32` is about int32 indices: the user need not also name the dtype.
    brought = [
        name for name in INDEX_DTYPES if {*features} & {*data.uses.get(f"{name} indices", ())}
    ]
    return Needs(
        features,
        refused,
        tables[0] if tables else dtype,
        tuple(dict.fromkeys([*indices, *brought])) or ("int64",),
        profile or "",
    )


def advise(data: Compat, needs: Needs) -> list[Advice]:
    """Return what each backend means for a user's needs, the best first."""
    concern = Concern(data, needs)
    found = [_advice(data, concern, needs, backend) for backend in data.backends]
    order = list(Fit)
    return sorted(
        found,
        key=lambda a: (order.index(a.fit), len(a.blockers), len(a.unguarded), len(a.limits)),
    )


def _advice(data: Compat, concern: Concern, needs: Needs, backend: str) -> Advice:
    parts = [concern.remark(backend, name) for name in needs.features]
    guards = [concern.remark(backend, name) for name in needs.refused]
    blockers = _worst_first(remark for remark in parts if blocks(remark.found))
    unknown = tuple(remark for remark in parts if remark.found.support == "unknown")
    unguarded = _worst_first(remark for remark in guards if remark.found.support != "yes")
    limits = tuple(r for r in parts if r.found.support == "partly" and not blocks(r.found))
    # Failures only in calls that do not concern the needs rule nothing out, but are worth knowing.
    beside = tuple(
        remark.feature
        for remark in parts
        if not blocks(remark.found) and data.supports(backend, remark.feature).how
    )
    if blockers:
        fit = Fit.BLOCKED
    # A blocker outweighs a missing result. A missing result outweighs a mistake that is not
    # refused, because a backend with missing results is never recommended.
    elif unknown:
        fit = Fit.UNKNOWN
    else:
        fit = Fit.UNGUARDED if unguarded else Fit.FITS
    return Advice(backend, fit, blockers, unguarded, unknown, limits, beside)


def _worst_first(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    return tuple(sorted(remarks, key=lambda remark: remark.found.severity))

"""Which backends have what somebody needs, and what is in the way of the others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from embcheck.reports.compat import Compat, CompatError, Supported


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
    """A feature, and what a backend makes of it."""

    feature: str
    found: Supported


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
    """Names of features that are needed, and of those by which mistakes are errors; a dtype."""

    features: tuple[str, ...]
    refused: tuple[str, ...] = ()
    dtype: str = "float32"


def gather(data: Compat, needs: Collection[str], profile: str | None, dtype: str) -> Needs:
    """Join the needs of a profile and those named; raises CompatError for an unknown name."""
    use = None
    if profile is not None:
        if profile not in data.profiles:
            known = ", ".join(data.profiles)
            raise CompatError(f"no profile '{profile}'; there are {known}")
        use = data.profiles[profile]
    for name in needs:
        if name not in data.features:
            raise CompatError(f"no feature '{name}'; {data.hint(name)}")
    features = [*(use.needs if use else ()), *needs]
    return Needs(tuple(dict.fromkeys(features)), use.refused if use else (), dtype)


def advise(data: Compat, needs: Needs) -> list[Advice]:
    """Return what each backend means for somebody's needs, the best first."""
    found = [_advice(data, backend, needs) for backend in data.backends]
    order = list(Fit)
    return sorted(
        found,
        key=lambda a: (order.index(a.fit), len(a.blockers), len(a.unguarded), len(a.limits)),
    )


def _advice(data: Compat, backend: str, needs: Needs) -> Advice:
    asked = [Remark(name, data.supports(backend, name)) for name in needs.features]
    guards = [Remark(name, data.supports(backend, name)) for name in needs.refused]
    parts = [(remark, remark.found.for_tables(needs.dtype)) for remark in asked]
    blockers = sorted((r for r, part in parts if _blocks(part)), key=lambda r: severity(r.found))
    unknown = tuple(r for r, part in parts if part.support == "unknown")
    unguarded = tuple(r for r in guards if r.found.support != "yes")
    limits = tuple(r for r, part in parts if part.support == "partly" and not _blocks(part))
    if blockers:
        fit = Fit.BLOCKED
    elif unknown:
        fit = Fit.UNKNOWN
    else:
        fit = Fit.UNGUARDED if unguarded else Fit.FITS
    return Advice(backend, fit, tuple(blockers), unguarded, unknown, limits)


def _blocks(found: Supported) -> bool:
    """Whether something fails or is not offered at all; a part that is not offered is a limit."""
    return found.how is not None or found.support in ("no", "absent")


def severity(found: Supported) -> int:
    """Sort silent failures before deaths, those before loud ones, and those before absence."""
    return ("silently", "dying", "loudly", None).index(found.how)

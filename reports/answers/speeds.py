"""How fast backends are on one workload, from a record; those that cannot be told apart tie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from embcheck.conformance.near import did_you_mean
from embcheck.conformance.records.lines import Measurement
from embcheck.reports.compat import CompatError
from embcheck.reports.timings import circumstances
from embcheck.reports.untrusted import finite

OWN = "OWN"
"""The workload that `embcheck bench --table --trace` records."""


@dataclass(frozen=True)
class Speed:
    """A backend's time on a workload, as a ratio to the reference's, with its 95 % interval.

    `place` is 1 plus the number of backends that are certainly faster: their interval lies below
    this one or, in a comparison with the reference, the verdict says so. `verdict` compares with
    the reference.
    """

    backend: str
    ratio: float
    low: float
    high: float
    verdict: str
    ns_per_lookup: float | None
    place: int = 0


@dataclass(frozen=True)
class Speeds:
    """Speeds on one workload, the fastest first; `others` are the record's other workloads.

    `circumstances` are the cache state and the number of threads.
    """

    workload: str
    circumstances: str
    reference: str
    found: tuple[Speed, ...]
    others: tuple[str, ...] = ()

    def of(self, backend: str) -> Speed | None:
        """Return the speed of a backend; None if it has none."""
        return next((speed for speed in self.found if speed.backend == backend), None)


def speeds(measurements: Iterable[Measurement], workload: str | None) -> Speeds | None:
    """Return the speeds on a workload; without a name, on a user's own table, else on the first.

    Returns None if nothing was timed and no workload is named. Raises CompatError for a workload
    that is not in the record.
    """
    lines = [line for line in measurements if line.role in ("reference", "candidate")]
    names = [*dict.fromkeys(line.workload for line in lines)]
    if workload is None and not names:
        return None
    chosen = workload or (OWN if OWN in names else names[0])
    if chosen not in names:
        known = f"there are {', '.join(names)}" if names else "name a run of `embcheck bench`"
        raise CompatError(f"no timings of '{chosen}'; {did_you_mean(chosen, names, known)}")
    lines = [line for line in lines if line.workload == chosen]
    cell = circumstances(lines[0])
    # Ratios of cells with another cache state or number of threads are not comparable: only the
    # first cell counts.
    rows = [line for line in lines if circumstances(line) == cell]
    reference = next((line.backend for line in rows if line.role == "reference"), "")
    found = sorted(
        (speed for speed in map(_speed, rows) if speed is not None),
        key=lambda speed: (speed.ratio, speed.backend),
    )
    others = tuple(name for name in names if name != chosen)
    return Speeds(chosen, cell, reference, tuple(_placed(found, reference)), others)


def _speed(line: Measurement) -> Speed | None:
    """Return the speed of a timing; None if it lacks a ratio."""
    if line.role == "reference":
        # A record has no ratio of the reference to itself.
        return Speed(line.backend, 1.0, 1.0, 1.0, "", finite(line.ns_per_lookup))
    ratio, low, high = finite(line.ratio), finite(line.ratio_low), finite(line.ratio_high)
    if ratio is None or low is None or high is None:
        return None
    return Speed(line.backend, ratio, low, high, str(line.verdict), finite(line.ns_per_lookup))


def _placed(found: Sequence[Speed], reference: str) -> Iterable[Speed]:
    """Give each speed its place: 1 plus the number of those that are certainly faster."""
    for speed in found:
        faster = sum(_is_faster(other, speed, reference) for other in found)
        yield replace(speed, place=faster + 1)


def _is_faster(one: Speed, other: Speed, reference: str) -> bool:
    if other.backend == reference:
        return one.verdict == "FASTER"
    if one.backend == reference:
        return other.verdict == "SLOWER"
    return one.high < other.low

"""Compute the table of sizes: by look and axis, the largest size, and the thresholds crossed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.coverage.ladder import Excuse, Ladder
from embcheck.conformance.coverage.looks import LOOKS, Look
from embcheck.conformance.coverage.scored import (
    INDEX_DTYPES,
    WEIGHT_DTYPES,
    ScoredCall,
    source_of,
)
from embcheck.conformance.coverage.sizes import SizeAxis, Sizes, sizes_of


@dataclass(frozen=True)
class Crossing:
    """The thresholds that one look has crossed on one axis.

    A threshold is a size at which kernels change. It is crossed by a call of exactly that size. The
    sizes next to it are thresholds of their own.
    """

    look: str
    axis: SizeAxis
    largest: int
    crossed: tuple[int, ...]
    left_out: Mapping[int, str]
    """Thresholds that need not be crossed, with the reason."""
    missing: tuple[int, ...]


@dataclass(frozen=True)
class Extent:
    """The largest size of one look on one axis, with one dtype of the weight or of the indices."""

    dtype: str
    look: str
    axis: SizeAxis
    largest: int
    least: int
    """The size that cases must reach."""
    reason: str | None = None
    """Why cases need not reach it; None if they do, or there is no reason."""

    @property
    def missing(self) -> bool:
        """Whether no case reaches the size and no reason excuses that."""
        return self.largest < self.least and self.reason is None


@dataclass(frozen=True)
class SizeTable:
    """The tables of thresholds and extents, and the reasons that apply to nothing."""

    thresholds: tuple[int, ...]
    crossings: tuple[Crossing, ...]
    extents: tuple[Extent, ...]
    idle_reasons: tuple[str, ...]

    @property
    def gaps(self) -> int:
        """The number of thresholds not crossed, extents not reached, and idle reasons."""
        return (
            sum(len(crossing.missing) for crossing in self.crossings)
            + sum(extent.missing for extent in self.extents)
            + len(self.idle_reasons)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the table's part of `coverage.json`."""
        return {
            "thresholds": list(self.thresholds),
            "crossings": [
                {
                    **asdict(one),
                    "left_out": [
                        {"size": size, "reason": reason} for size, reason in one.left_out.items()
                    ],
                }
                for one in self.crossings
            ],
            "extents": [asdict(one) for one in self.extents],
            "idle_reasons": list(self.idle_reasons),
        }


@dataclass
class _Seen:
    """The sizes of one look's calls by axis, and the largest size by dtype and axis."""

    sizes: dict[SizeAxis, set[int]] = field(default_factory=dict)
    largest: dict[tuple[str, SizeAxis], int] = field(default_factory=dict)

    def add(self, sizes: Sizes, dtypes: Sequence[str]) -> None:
        """Add a call's sizes."""
        for axis, found in sizes.items():
            self.sizes.setdefault(axis, set()).update(found)
            for name in dtypes:
                # `found` is empty on the axis of entries if a call has no bags.
                largest = max(found, default=0)
                self.largest[name, axis] = max(self.largest.get((name, axis), 0), largest)


def size_table(calls: Iterable[ScoredCall], ladder: Ladder) -> SizeTable:
    """Measure the calls, and compare them with the thresholds."""
    seen = _seen(calls)
    used: set[Excuse] = set()
    crossings = tuple(
        _crossing(look, axis, seen[look.name], ladder, used) for look in LOOKS for axis in look.axes
    )
    extents = tuple(_extents(seen, ladder, used))
    idle = tuple(excuse.reason for excuse in ladder.left_out if excuse not in used)
    return SizeTable(ladder.thresholds, crossings, extents, idle)


def _seen(calls: Iterable[ScoredCall]) -> Mapping[str, _Seen]:
    seen = {look.name: _Seen() for look in LOOKS}
    for asked in calls:
        looks = [look for look in LOOKS if look.sees(asked)]
        arrays = [name for name in ("weight", "indices") if name in asked.spec.inputs]
        dtypes = [source_of(asked.spec, name).dtype.name for name in arrays]
        # Measured once for all looks, since that may need the call's arrays.
        measured: dict[bool, Sizes] = {}
        for look in looks:
            if look.of_padding not in measured:
                measured[look.of_padding] = sizes_of(asked.spec, of_padding=look.of_padding)
            seen[look.name].add(measured[look.of_padding], dtypes)
    return seen


def _crossing(
    look: Look, axis: SizeAxis, seen: _Seen, ladder: Ladder, used: set[Excuse]
) -> Crossing:
    sizes = seen.sizes.get(axis, set())
    left_out: dict[int, str] = {}
    missing: list[int] = []
    for size in ladder.thresholds:
        if size in sizes:
            continue
        excuse = _excuse(ladder, used, look.name, axis, size)
        if excuse is None:
            missing.append(size)
        else:
            left_out[size] = excuse
    crossed = tuple(size for size in ladder.thresholds if size in sizes)
    return Crossing(look.name, axis, max(sizes, default=0), crossed, left_out, tuple(missing))


def _extents(seen: Mapping[str, _Seen], ladder: Ladder, used: set[Excuse]) -> Iterator[Extent]:
    for dtype in (*WEIGHT_DTYPES, *INDEX_DTYPES):
        for look in LOOKS:
            # one_hot takes int64 indices only, and its output does not depend on a weight.
            if look.operation is Operation.ONE_HOT and dtype != "int64":
                continue
            for axis in look.axes:
                largest, least = seen[look.name].largest.get((dtype, axis), 0), ladder.least[axis]
                reason = None
                if largest < least:
                    reason = _excuse(ladder, used, look.name, axis, least, dtype)
                yield Extent(dtype, look.name, axis, largest, least, reason)


def _excuse(
    ladder: Ladder,
    used: set[Excuse],
    look: str,
    axis: SizeAxis,
    size: int,
    dtype: str | None = None,
) -> str | None:
    """Return the first reason that applies, and add all that apply to `used`."""
    found = [one for one in ladder.left_out if one.covers(look, axis, size, dtype)]
    # All of them, since the others are not idle either.
    used.update(found)
    return found[0].reason if found else None

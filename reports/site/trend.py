"""How a backend's answers changed from run to run, and what may have changed them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from embcheck.reports.compat import Supported
from embcheck.reports.site.model import SitePoint
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

KINDS = ("yes", "not offered", "unknown", "fails with a sign", "fails silently")
"""The kinds of answers, as they are counted; `partly` counts by how it fails."""


@dataclass(frozen=True)
class Turn:
    """A feature whose answer differs from that in the point before."""

    feature: str
    before: Supported
    after: Supported


@dataclass(frozen=True)
class TrendStep:
    """The step from one point of the whole suite to the next.

    `causes` are the things that differ between both and may have changed the answers. `other` are
    features that are not compared, because other cases decided them.
    """

    before: SitePoint
    after: SitePoint
    causes: tuple[str, ...]
    turns: tuple[Turn, ...]
    other: tuple[str, ...]


def counts_of(point: SitePoint) -> dict[str, int]:
    """Count the features of a point by kind of answer, in the order of `KINDS`."""
    counts = Counter(kind_of(found) for found in point.answers.features.values())
    return {kind: counts[kind] for kind in KINDS}


def kind_of(found: Supported) -> str:
    """Return which of `KINDS` an answer is."""
    if found.how is not None:
        return "fails silently" if found.how == "silently" else "fails with a sign"
    return {"yes": "yes", "unknown": "unknown"}.get(found.support, "not offered")


def steps(points: Sequence[SitePoint]) -> list[TrendStep]:
    """Compare each point of the whole suite with the one before, in the order of versions."""
    whole = [point for point in points if not point.part]
    return [_step(before, after) for before, after in pairwise(whole)]


def _step(before: SitePoint, after: SitePoint) -> TrendStep:
    old, new = before.answers.features, after.answers.features
    # If other cases decided a feature, a new answer may only mean a new question.
    same = [name for name in new if before.cases.get(name) == after.cases.get(name) and name in old]
    turns = tuple(
        Turn(name, old[name], new[name])
        for name in same
        if (old[name].support, old[name].how, old[name].says)
        != (new[name].support, new[name].how, new[name].says)
    )
    other = tuple(name for name in {**old, **new} if name not in same)
    return TrendStep(before, after, tuple(_causes(before, after)), turns, other)


def _causes(before: SitePoint, after: SitePoint) -> Iterator[str]:
    old, new = before.answers, after.answers
    if (old.library, old.version) != (new.library, new.version):
        names = (old.library, f"{new.library} " if new.library != old.library else "")
        yield one_line(f"the library: {names[0]} {old.version} to {names[1]}{new.version}")
    if before.suite != after.suite:
        yield one_line(f"the suite: {before.suite or 'unnamed'} to {after.suite or 'unnamed'}")
    if before.embcheck != after.embcheck:
        yield one_line(f"embcheck, with its adapters: {before.embcheck} to {after.embcheck}")
    if told := _differing(before.described, after.described):
        yield f"the adapter or where it ran: another {', '.join(told)}"


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    keys = dict.fromkeys([*before, *after])
    changed = [key for key in keys if before.get(key) != after.get(key)]
    named = [one_line(str(key).replace("_", " "), 40) for key in changed[:4]]
    return named + ([plural(len(changed) - 4, "other")] if len(changed) > 4 else [])


@dataclass(frozen=True)
class TrendBar:
    """A bar of the chart: its label, its parts from the bottom, and if the suite changed before it.

    `x` and the parts' `y` and `height` are in the units of the drawing.
    """

    x: int
    label: str
    title: str
    parts: tuple[tuple[str, float, float], ...]
    is_other_suite: bool
    is_part: bool


@dataclass(frozen=True)
class Chart:
    """A chart of the kinds of answers, with a bar for each point."""

    width: int
    bars: tuple[TrendBar, ...]
    left_out: int


HEIGHT, STEP, MOST = 120, 34, 40
"""The height of the bars, the distance from one to the next, and the most that are drawn."""


def chart(points: Sequence[SitePoint]) -> Chart:
    """Draw the last points, in the order of versions."""
    shown = points[-MOST:]
    bars = []
    for place, point in enumerate(shown):
        # The first bar has no bar before it with another suite.
        before = shown[place - 1] if place else point
        counts = counts_of(point)
        # A point without features has no parts; 1 only avoids a division by 0.
        total, y, parts = sum(counts.values()) or 1, float(HEIGHT), []
        for kind, count in counts.items():
            height = round(HEIGHT * count / total, 2)
            y = round(y - height, 2)
            if count:
                parts.append((kind, y, height))
        told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        part = f", {point.part}" if point.part else ""
        bars.append(
            TrendBar(
                place * STEP,
                point.version,
                one_line(f"{point.version}, {point.day}{part}: {told}", 300),
                tuple(parts),
                point.suite != before.suite,
                bool(point.part),
            )
        )
    return Chart(max(1, len(bars)) * STEP, tuple(bars), len(points) - len(shown))

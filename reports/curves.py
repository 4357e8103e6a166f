"""The scaling curves of a report: plots, tables of figures, and crossovers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.records.run import Run
from embcheck.reports.units import nanoseconds_text
from embcheck.reports.untrusted import finite

WIDTH, HEIGHT = 640.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 150.0, 12.0, 40.0
LINES = 10
"""The number of colours and strokes; further lines repeat them."""
_LABEL_HEIGHT = 13.0


@dataclass(frozen=True)
class Dot:
    """A point of a line and its interval, if any, in the picture's units."""

    x: str
    y: str
    low: str | None
    high: str | None


@dataclass(frozen=True)
class Line:
    """One backend's points; `style` is the number of its colour, `label` the height of its name."""

    backend: str
    style: int
    dots: tuple[Dot, ...]
    label: str

    @property
    def path(self) -> str:
        """The line as the points of an SVG polyline."""
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place and its label."""

    place: str
    text: str


@dataclass(frozen=True)
class CurvePicture:
    """One curve: its picture, its figures as a table, and the crossovers in words."""

    id: str
    title: str
    label: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    values: tuple[str, ...]
    table: tuple[tuple[str, tuple[str, ...]], ...]
    crossings: tuple[str, ...]


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis, or a linear one if its least value is 0."""

    least: float
    most: float
    start: float
    end: float

    @property
    def is_log(self) -> bool:
        """Whether the axis is logarithmic."""
        return self.least > 0

    def place(self, value: float) -> str:
        """Return the place of a value, in the picture's units."""
        # Values beyond the axis are drawn at its edge.
        low, high, at = self.least, self.most, min(max(value, self.least), self.most)
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        share = (at - low) / (high - low) if high > low else 0.5
        return f"{self.start + share * (self.end - self.start):.1f}"


def point_of(line: Measurement) -> tuple[str, float] | None:
    """Return the curve and the value of a measurement that is a point of a curve; else None."""
    name, found, value = str(line.workload).partition("=")
    try:
        return (name, float(value)) if found and math.isfinite(float(value)) else None
    except ValueError:
        return None


def curves(measurements: Iterable[Measurement], runs: Sequence[Run]) -> tuple[CurvePicture, ...]:
    """Draw every curve with at least two points."""
    points: dict[str, list[tuple[float, Measurement]]] = {}
    for line in measurements:
        point = point_of(line)
        if point is not None and line.role in ("candidate", "reference"):
            points.setdefault(point[0], []).append((point[1], line))
    return tuple(
        _curve(name, found, runs)
        for name, found in points.items()
        if len({value for value, _ in found}) > 1
    )


def _curve(name: str, points: list[tuple[float, Measurement]], runs: Sequence[Run]) -> CurvePicture:
    values = sorted({value for value, _ in points})
    backends = list(dict.fromkeys(str(line.backend) for _, line in points))
    known = {
        (str(line.backend), value): nanoseconds
        for value, line in points
        if (nanoseconds := finite(line.ns_per_lookup)) is not None and nanoseconds > 0
    }
    x = Scale(values[0], values[-1], LEFT, WIDTH - RIGHT)
    lowest, highest = min(known.values(), default=1.0), max(known.values(), default=1.0)
    # A little room, so that no point lies on the frame.
    y = Scale(lowest / 1.3, highest * 1.3, HEIGHT - BOTTOM, TOP)
    drawn = [_line(backend, number, points, x, y) for number, backend in enumerate(backends)]
    title, label = _words(name)
    return CurvePicture(
        id=name,
        title=title,
        label=label,
        lines=_labelled([line for line in drawn if line.dots]),
        x_ticks=tuple(Tick(x.place(value), _number(value)) for value in values),
        y_ticks=tuple(Tick(y.place(value), _number(value)) for value in decades(y)),
        values=tuple(_number(value) for value in values),
        table=tuple(
            (backend, tuple(nanoseconds_text(known.get((backend, value))) for value in values))
            for backend in backends
        ),
        crossings=tuple(crossings(name, backends, runs)),
    )


def _line(
    backend: str, number: int, points: Iterable[tuple[float, Measurement]], x: Scale, y: Scale
) -> Line:
    """Place a backend's points; each interval is that of the ratio, converted to nanoseconds."""
    dots = []
    for value, line in sorted(points, key=lambda point: point[0]):
        nanoseconds = finite(line.ns_per_lookup)
        if str(line.backend) != backend or nanoseconds is None or nanoseconds <= 0:
            continue
        ratio, low, high = map(finite, (line.ratio, line.ratio_low, line.ratio_high))
        # Only ratios have intervals; a time by itself has none.
        bounds = None
        if ratio and low and high and line.role == "candidate":
            bounds = (y.place(nanoseconds * low / ratio), y.place(nanoseconds * high / ratio))
        dots.append(Dot(x.place(value), y.place(nanoseconds), *(bounds or (None, None))))
    return Line(backend, number % LINES, tuple(dots), dots[-1].y if dots else "0")


def _labelled(lines: list[Line]) -> tuple[Line, ...]:
    """Move overlapping names apart, from the top down."""
    found, free = [], TOP
    for line in sorted(lines, key=lambda line: float(line.label)):
        # Downwards only, from the top: a name stays beside its line or a little below.
        place = max(float(line.label), free)
        free = place + _LABEL_HEIGHT
        found.append(Line(line.backend, line.style, line.dots, f"{place:.1f}"))
    return tuple(found)


def crossings(name: str, backends: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Say where on a curve one backend overtakes another, from the rounds themselves."""
    from embcheck.conformance.timing.verdicts.crossover import crossovers  # noqa: PLC0415  (imports NumPy)
    from embcheck.conformance.timing.verdicts.raw import group  # noqa: PLC0415

    rounds = [
        line for run in runs for line in run.rounds if str(line.workload).startswith(f"{name}=")
    ]
    points = [
        (float(str(key[0]).partition("=")[2]), record)
        for key, record in group(rounds).items()
        if record.first.rounds
    ]
    _, label = _words(name)
    return [
        f"{found.faster_above} overtakes {found.faster_below} at about {_number(found.at)} {label} "
        f"(between {_number(found.low)} and {_number(found.high)})"
        for found in crossovers(points, backends)
    ]


def _words(name: str) -> tuple[str, str]:
    """Return a curve's title and the label of its values, from the file of that id."""
    return _shipped_words().get(name, (name, ""))


@cache
def _shipped_words() -> Mapping[str, tuple[str, str]]:
    from embcheck.conformance.timing.runs.curves import curve_files, load_curves  # noqa: PLC0415

    return {id_: (curve.title, curve.label) for id_, curve in load_curves(curve_files()).items()}


def decades(scale: Scale) -> list[float]:
    """Return round values of an axis: powers of ten, and steps between them if there is room."""
    first, last = math.floor(math.log10(scale.least)), math.ceil(math.log10(scale.most))
    # The finest steps whose labels still fit beside the axis.
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [
            step * 10.0**power
            for power in range(first, last + 1)
            for step in steps
            if scale.least <= step * 10.0**power <= scale.most
        ]
        if len(found) <= 8:
            break
    return found


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"

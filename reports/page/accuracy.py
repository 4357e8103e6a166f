"""Accuracy against speed: a point for each timing, placed on two logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from embcheck.conformance.records.lines import Measurement
from embcheck.reports.curves import LINES, Scale, Tick, decades, point_of
from embcheck.reports.families import family_of
from embcheck.reports.timings import circumstances
from embcheck.reports.units import nanoseconds_text
from embcheck.reports.untrusted import finite

WIDTH, HEIGHT = 720.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 44.0, 16.0, 52.0
LANE = 44.0
"""The height of the lane below the axis, for answers without an error."""
SHAPES = ("circle", "square", "diamond", "triangle", "cross", "star")
"""One for each workload; with more workloads, shapes repeat."""
LEAST_DECADES = 2


@dataclass(frozen=True)
class PlottedTiming:
    """A point of the plot: its coordinates, shape and colour number, and the texts about it."""

    x: str
    y: str
    shape: str
    style: int
    backend: str
    workload: str
    speed: str
    error: str

    @property
    def said(self) -> str:
        """The point in words."""
        return f"{self.backend}, {self.workload}: {self.speed} ns per lookup, {self.error}"


@dataclass(frozen=True)
class Accuracy:
    """The plot: its points, its ticks, and what shapes and colours mean.

    `exact` is the height of the lane for answers without an error; None without such answers.
    """

    points: tuple[PlottedTiming, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    exact: str | None
    shapes: tuple[tuple[str, str], ...]
    styles: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Timed:
    backend: str
    workload: str
    nanoseconds: float
    error: float


def accuracy(measurements: Iterable[Measurement], library: dict[str, str]) -> Accuracy | None:
    """Return a plot of all timings that have an error and a speed; None if fewer than two do.

    `library` maps each backend to its library. A timing's error is the root mean square of its
    errors, divided by that of the right values.
    """
    found = [*_timed(measurements)]
    if len(found) < 2:
        return None
    speeds = [timed.nanoseconds for timed in found]
    errors = [timed.error for timed in found if timed.error > 0]
    has_exact = len(errors) < len(found)
    x = _scale(speeds, LEFT, WIDTH - RIGHT)
    # An error of 0 has no place on a logarithmic axis: such answers get a lane below it.
    floor = HEIGHT - BOTTOM - (LANE if has_exact else 0)
    y = _scale(errors, floor, TOP) if errors else None
    exact = f"{HEIGHT - BOTTOM - LANE / 2:.1f}" if has_exact else None
    workloads = [*dict.fromkeys(timed.workload for timed in found)]
    shapes = {name: SHAPES[place % len(SHAPES)] for place, name in enumerate(workloads)}
    families = [*dict.fromkeys(family_of(library.get(timed.backend, "")) for timed in found)]
    styles = {name: place % LINES for place, name in enumerate(families)}
    return Accuracy(
        tuple(
            PlottedTiming(
                x.place(timed.nanoseconds),
                y.place(timed.error) if y is not None and timed.error > 0 else exact or "0",
                shapes[timed.workload],
                styles[family_of(library.get(timed.backend, ""))],
                timed.backend,
                timed.workload,
                nanoseconds_text(timed.nanoseconds),
                error_text(timed.error),
            )
            for timed in found
        ),
        tuple(Tick(x.place(value), nanoseconds_text(value)) for value in decades(x)),
        tuple(Tick(y.place(value), error_text(value)) for value in decades(y)) if y else (),
        exact,
        tuple(shapes.items()),
        tuple(styles.items()),
    )


def error_text(error: float) -> str:
    """Return a relative error in words: `exact`, percent, or a power of ten."""
    if error == 0:
        return "exact"
    return f"{error * 100:.2g} %" if error >= 1e-4 else f"{error:.1e}"


def _timed(measurements: Iterable[Measurement]) -> Iterable[_Timed]:
    for line in measurements:
        if line.role not in ("candidate", "reference") or point_of(line) is not None:
            continue
        speed = finite(line.ns_per_lookup)
        gate = line.details.gate
        error = finite(gate.relative_rms_error) if gate is not None else None
        if speed is None or error is None:
            continue
        # A logarithmic axis has no place for a speed of 0, nor for negative values.
        if speed > 0 and error >= 0:
            yield _Timed(str(line.backend), f"{line.workload}, {circumstances(line)}", speed, error)


def _scale(values: Sequence[float], start: float, end: float) -> Scale:
    """Return a logarithmic axis of whole powers of ten, of at least two."""
    low = math.floor(math.log10(min(values)))
    # With fewer decades, meaningless differences would fill the whole plot.
    high = max(math.ceil(math.log10(max(values))), low + LEAST_DECADES)
    return Scale(10.0**low, 10.0**high, start, end)

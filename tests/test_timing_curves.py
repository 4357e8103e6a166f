"""Scaling curves: their files, points, pictures and crossovers."""

from __future__ import annotations

import pytest
from timing_simulation import arm_record

from embcheck.conformance.records.lines import Measurement, RoundsLine
from embcheck.conformance.suite.problems import SpecError
from embcheck.conformance.timing.runs import curves
from embcheck.conformance.timing.runs.curves import curve_files, load_curves, points_of
from embcheck.conformance.timing.verdicts.crossover import crossovers
from embcheck.conformance.timing.verdicts.raw import group
from embcheck.conformance.timing.workloads.load import PROFILES
from embcheck.conformance.timing.workloads.traces import make_inputs
from embcheck.reports.curves import curves as drawn
from embcheck.reports.curves import point_of

CURVE = """\
id: TINY
title: a small one
label: rows
workload: R1
axis: rows
profiles:
  quick: {values: [10, 100], columns: 4, bags: 3, bag_size: 2, seconds: 0.1}
  full: {values: [10, 100], columns: 4, bags: 3, bag_size: 2, seconds: 0.1}
  gpu: {values: [10, 100], columns: 4, bags: 3, bag_size: 2, seconds: 0.1}
"""


def _load(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text, "utf-8")
    return load_curves([tmp_path / "c.yaml"])


def test_the_shipped_curves_cover_every_size():
    """The shipped curves vary rows, columns, bags, bag size, skew and threads, in every profile."""
    found = load_curves(curve_files())
    axes = {curve.axis for curve in found.values()}
    assert axes == {"rows", "columns", "bags", "bag_size", "zipf", "threads"}
    for curve in found.values():
        for profile in PROFILES:
            assert len(points_of(curve, profile)) > 1 or curve.axis == "threads"


def test_a_point_is_a_workload_of_its_own(tmp_path):
    """A point is a workload with the value in its name, and rotating traces."""
    small, large = points_of(_load(tmp_path, CURVE)["TINY"], "quick")
    assert (small.id, large.id) == ("TINY=10", "TINY=100")
    profile = large.profiles["quick"]
    assert (profile.rows, profile.states) == (100, ("rotating",))
    inputs = make_inputs(large, profile, 2)
    assert inputs.shared["weight"].shape == (100, 4)
    assert inputs.traces[0]["indices"].shape == (3, 2)


def test_threads_go_up_to_the_cores(tmp_path, monkeypatch):
    """Thread counts beyond the cores are replaced by one point for all cores."""
    monkeypatch.setattr(curves, "cores", lambda: 6)
    text = CURVE.replace("axis: rows", "axis: threads").replace("[10, 100]", "[1, 2, 4, 8]")
    points = points_of(_load(tmp_path, text.replace("columns: 4", "rows: 9, columns: 4"))["TINY"],
                       "quick")  # fmt: skip
    assert [point.profiles["quick"].threads for point in points] == [(1,), (2,), (4,), ("all",)]


def test_skew_begins_with_a_uniform_trace(tmp_path):
    """A skew of 0 is a uniform trace rather than a Zipf law."""
    text = CURVE.replace("axis: rows", "axis: zipf").replace("[10, 100]", "[0, 1.5]")
    points = points_of(_load(tmp_path, text)["TINY"], "quick")
    assert [point.trace.zipf for point in points] == [None, 1.5]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("workload: R1", "workload: R9", "no workload 'R9'; use one of: "),
        ("axis: rows", "axis: cows", "'cows' is not known"),
        ("seconds: 0.1}", "bagz: 1, seconds: 0.1}", "unknown key 'bagz'"),
    ],
)
def test_a_mistake_is_shown_with_its_place(tmp_path, old, new, words):
    """A mistake in a curve is reported with file, line and column."""
    with pytest.raises(SpecError, match=r"c\.yaml:\d+:\d+: .*" + words):
        _load(tmp_path, CURVE.replace(old, new, 1))


def rounds(curve, value, **milliseconds):
    """Return the rounds of a point, given each backend's milliseconds per call."""
    roles = ["reference", *["candidate"] * 9]
    arms = {name: arm_record(name, role) for name, role in zip(milliseconds, roles, strict=False)}
    blocks = {name: [[found / 1e3, 0, 0, 0, 0, 0]] * 2 for name, found in milliseconds.items()}
    read = ({"order": list(arms), "blocks": blocks, "noise": {}},) * 4
    return RoundsLine(f"{curve}={value}", "rotating", 1, 0, next(iter(arms)), {}, arms, read)


def points(*lines):
    """Return points in the form that `crossovers` takes."""
    return [(float(key[0].split("=")[1]), record) for key, record in group(lines).items()]


def test_a_crossover_is_named_between_decided_points():
    """A crossover between two decided points is interpolated."""
    found = crossovers(
        points(rounds("X", 1, a=1, b=4), rounds("X", 10, a=2, b=2), rounds("X", 100, a=4, b=1)),
        ["a", "b"],
    )
    (crossing,) = found
    assert (crossing.faster_below, crossing.faster_above) == ("a", "b")
    assert (crossing.low, crossing.high) == (1, 100)
    assert crossing.at == pytest.approx(10)


def test_no_crossover_without_a_difference():
    """Backends that are alike at one end, or where one is missing, have no crossover."""
    same = points(rounds("X", 1, a=1, b=1.01), rounds("X", 10, a=1, b=2))
    assert crossovers(same, ["a", "b"]) == []
    missing = points(rounds("X", 1, a=1, b=2), rounds("X", 10, a=1))
    assert crossovers(missing, ["a", "b"]) == []


def measurement(value, backend, role, nanoseconds, ratio):
    """Return the measurement of a point."""
    return Measurement(
        f"ROWS={value}", backend, "rotating", 2, nanoseconds, ratio, ratio and ratio * 0.9,
        ratio and ratio * 1.1, "SLOWER", 0.1, role,
    )  # fmt: skip


def test_a_curve_is_drawn_with_intervals():
    """Points are drawn by value and time, and whiskers show the interval of the ratio."""
    lines = [
        measurement(1000, "a", "reference", 10.0, 1.0),
        measurement(1000, "b", "candidate", 20.0, 2.0),
        measurement(1000000, "a", "reference", 100.0, 1.0),
        measurement(1000000, "b", "candidate", None, None),
        measurement(1000000, "a", "a/a", 100.0, 1.0),
    ]
    (curve,) = drawn(lines, [])
    assert curve.title == "the table grows out of the caches"
    first, second = sorted(curve.lines, key=lambda line: line.backend)
    assert [float(dot.x) for dot in first.dots] == sorted(float(dot.x) for dot in first.dots)
    assert float(first.dots[1].y) < float(first.dots[0].y)
    assert first.dots[0].low is None
    (dot,) = second.dots
    assert float(dot.high) < float(dot.y) < float(dot.low)
    assert curve.table == (("a", ("10", "100")), ("b", ("20", "-")))
    assert curve.crossings == ()


def test_other_workloads_are_no_points():
    """Only a workload whose name ends with `=` and a number is a point."""
    for name in ("R1", "ROWS=", "ROWS=x", "ROWS=nan"):
        line = Measurement(name, "a", "hot", 1, 1.0, 1.0, 1.0, 1.0, "SAME", 0.1)
        assert point_of(line) is None

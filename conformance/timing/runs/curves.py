"""Scaling curves: a workload at several values of one size, each point a cell of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embcheck.conformance.suite.load import suite_root
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import mark_of, read_yaml
from embcheck.conformance.timing.clock.machine import cores
from embcheck.conformance.timing.workloads.load import (
    Workload,
    WorkloadProfile,
    load_workloads,
    pick,
    workload_files,
)
from embcheck.conformance.timing.workloads.traces import ROTATING

PURPOSE = "curves"


@dataclass(frozen=True)
class CurveSpec:
    """A workload, the size that varies, and for each profile the values and the other sizes."""

    id: str
    title: str
    label: str
    workload: Workload
    axis: str
    profiles: Mapping[str, Mapping[str, Any]]


def curve_files() -> list[Path]:
    """List the curves that embcheck ships."""
    return sorted((suite_root() / "curves").glob("*.yaml"))


def load_curves(files: Iterable[Path]) -> dict[str, CurveSpec]:
    """Load curves by id; raises SpecError with every mistake in any of them."""
    known = load_workloads(workload_files())
    curves: dict[str, CurveSpec] = {}
    problems: list[Problem] = []
    for file in files:
        tree = read_yaml(file)
        found = problems_of(tree, str(file), "curves")
        if not found and tree["workload"] not in known:
            mark = mark_of(tree, ["workload"])
            advice = f"use one of: {', '.join(known)}"
            found = [Problem(str(file), *mark, f"no workload '{tree['workload']}'", advice)]
        problems += found
        if not found:
            curves[tree["id"]] = CurveSpec(**{**tree, "workload": known[tree["workload"]]})
    if problems:
        raise SpecError(problems)
    return curves


def select_curves(ids: Iterable[str]) -> list[CurveSpec]:
    """Pick curves by id, all if none is named; raises UnknownWorkload, or SpecError."""
    return pick(ids, load_curves(curve_files()), "curve")


def points_of(curve: CurveSpec, profile: str) -> list[Workload]:
    """Make a workload of each point, named by curve and value: `ROWS=1000`."""
    sizes = dict(curve.profiles[profile])
    values, seconds = sizes.pop("values"), sizes.pop("seconds")
    if curve.axis == "threads":
        # No more threads than cores, and always all of them.
        values = sorted({value for value in values if value < cores()} | {cores()})
    return [_point(curve, profile, value, sizes, seconds) for value in values]


def _point(
    curve: CurveSpec, profile: str, value: float, sizes: Mapping[str, int], seconds: float
) -> Workload:
    workload = curve.workload
    threads: int | str = "all"
    varied: dict[str, Any] = dict(sizes)
    if curve.axis == "threads":
        # With `all`, workers are not confined to cores, just as in other cells.
        threads = "all" if value == cores() else int(value)
    elif curve.axis == "zipf":
        # An exponent of 0 is the uniform distribution, which is drawn in another way.
        workload = replace(workload, trace=replace(workload.trace, zipf=value or None))
    else:
        varied[curve.axis] = int(value)
    made = WorkloadProfile((ROTATING,), (threads,), seconds, **varied)
    return replace(workload, id=f"{curve.id}={value:g}", profiles={profile: made})

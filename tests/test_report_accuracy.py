"""The plot of accuracy against speed, families of libraries, and native or composed operations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import chromium, find, report_opener, texts
from report_runs import info, run, timing

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.contract.operation import Operation
from embcheck.conformance.records.details import GateResult, TimingDetails
from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.timing.clock.gate import Standard
from embcheck.reports.families import by_family
from embcheck.reports.merge import BackendEntry
from embcheck.reports.page.accuracy import accuracy, error_text
from embcheck.reports.page.provisions import provision_text


def _timed(backend: str, nanoseconds: float, error: float | None, **more: Any) -> Measurement:
    details = TimingDetails(gate=GateResult(None, relative_rms_error=error))
    return timing(backend, ns_per_lookup=nanoseconds, details=details, **more)


def test_the_error_of_a_timed_answer_is_that_of_all_its_values() -> None:
    """The relative RMS error is taken over all values of an answer."""
    call = Call(Operation.EMBEDDING, {}, {}, (Observation.OUTPUT,))
    right = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    standard = Standard(call, {"output": right})
    standard.__dict__["allowed"] = {"output": np.ones_like(right)}
    errors = standard.errors({"output": right + np.float32([[0, 0], [0.5, 0]])})
    assert errors["relative_rms_error"] == pytest.approx(0.1)
    assert standard.errors({"output": right})["relative_rms_error"] == 0
    nothing = Standard(call, {"output": np.zeros_like(right)})
    nothing.__dict__["allowed"] = {"output": np.ones_like(right)}
    assert nothing.errors({"output": right})["relative_rms_error"] == 1


def test_faster_stands_left_and_more_accurate_below() -> None:
    """Points are placed by logarithms; exact answers have a lane of their own."""
    lines = [_timed("a", 10, 1e-3), _timed("b", 100, 1e-7), _timed("c", 1000, 0.0)]
    plot = accuracy(lines, {"a": "torch", "b": "jax", "c": "flax"})
    assert plot is not None
    x, y = ([float(getattr(point, axis)) for point in plot.points] for axis in ("x", "y"))
    assert x == sorted(x)
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)
    assert y == sorted(y)
    assert plot.points[2].y == plot.exact
    assert [point.style for point in plot.points] == [0, 1, 1]
    assert plot.points[0].said == "a, t1-one-token, hot, 1 thread: 10 ns per lookup, 0.1 %"
    assert error_text(1.23e-7) == "1.2e-07"


def test_what_has_no_error_or_no_time_has_no_point() -> None:
    """Timings without an error or a time have no point, and one point gives no plot."""
    lines = [_timed("a", 10, None), _timed("b", 100, 1e-7), _timed("c", float("nan"), 0.0)]
    assert accuracy([*lines, timing("d")], {}) is None
    everything = accuracy([_timed("a", 5, 0.0), _timed("b", 5, 0.0)], {})
    assert everything is not None
    assert everything.y_ticks == ()


def test_a_library_that_is_not_known_is_a_family_at_the_end() -> None:
    """Families have a fixed order, and unknown libraries come last."""
    found = by_family(["other", "flax", "numpy", "torch", "jax", ""], str)
    assert [*found] == ["PyTorch", "JAX", "Array libraries", "other", "Others"]
    assert found["JAX"] == ["flax", "jax"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"embedding": "native", "embedding_bag": "composed"}, "lookups native, bags composed"),
        ({"embedding": "native", "embedding_bag": "native"}, "all native"),
        ({"embedding": "composed", "one_hot": "composed"}, "all composed"),
        ({}, ""),
        ("nonsense", ""),
    ],
)
def test_native_and_composed_are_told_in_a_few_words(told: Any, said: str) -> None:
    """A backend's provisions are summarised in a few words."""
    operations = (
        {name: {"provision": how, "spelling": ""} for name, how in told.items()}
        if isinstance(told, dict)
        else told
    )
    assert provision_text(BackendEntry("acme", (info("acme", operations=operations),))) == said


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield one browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.browser
def test_a_point_says_its_name_where_it_has_the_focus(window: Any, tmp_path: Path) -> None:
    """Arrow keys move from point to point by speed; focus or pointer shows a point's name."""
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415  (optional)

    lines = [_timed("slow", 1000, 1e-7), _timed("quick", 10, 0.0), _timed("middle", 100, 1e-3)]
    with report_opener(window, tmp_path) as opened:
        opened([run(lines, ["slow", "quick", "middle"], purpose="timing")])
        points = find(window, ".point")
        window.execute_script("document.querySelector('.point[tabindex=\"0\"]').focus()")
        assert texts(window, "#point-said")[0].startswith("quick, ")
        window.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        assert texts(window, "#point-said")[0].startswith("middle, ")
        window.execute_script(
            "arguments[0].dispatchEvent(new PointerEvent('pointerenter'))", points[0]
        )
        assert texts(window, "#point-said")[0].startswith("slow, ")

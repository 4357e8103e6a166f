"""The report breaks no rule of axe-core, in any colour scheme and width."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from axe import violations
from browser import Open, chromium, find, in_scheme, phone, report_opener, settle
from report_evidence import coverage_data, evidence, mutation_data
from report_runs import TABLE, case, every_outcome, info, left_open, reads, result, run, timing

from embcheck.conformance.records.details import GateResult, TimingDetails
from embcheck.conformance.records.run import Run
from embcheck.conformance.suite.features import shipped_features
from embcheck.reports.compat import shipped
from embcheck.reports.page.advice_payload import payload_of

pytestmark = pytest.mark.browser
WIDE = {**TABLE, "shape": [1, 40], "values": [[0.123456789 + column for column in range(40)]]}
"""An array too wide for the page."""
EVIDENCE = evidence(coverage_data(), mutation_data())
OPEN_EVERYTHING = """
for (const page of document.querySelectorAll(".page")) page.hidden = false;
for (const node of document.querySelectorAll("details")) node.open = true;
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield one browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Yield a function that opens a report, with the shipped answers as the run's own."""
    data = payload_of(shipped(), shipped_features().features, None)
    data["backends"] = data["backends"][::9]
    monkeypatch.setattr("embcheck.reports.page.html.advice_payload", lambda _: data)
    with report_opener(window, tmp_path) as opened:
        yield opened


def _runs() -> list[Run]:
    """Make runs with content for every page, of backends of several families."""
    known = {"category": "by-design", "cause": "documented", "happens": "wrong-value"}
    open_case = left_open("embedding/open/differs", title="They differ.", pytorch="raises")
    place = left_open(
        "atlas/bad_index/lookup[place=past-the-end]",
        parameters={"place": "past-the-end"},
        call={"operation": "embedding", "inputs": {}},
    )
    operations = {"embedding": {"provision": "composed", "spelling": "x"}}
    backends = [
        info("jax-take", library="jax", operations=operations, made_from="source"),
        info("torch-eager", library="torch"),
        {"id": "gone", "unavailable": "no device"},
    ]
    lines = [
        *(case(), open_case, place),
        result("jax-take", "deviated", kind="wrong-value", deviation={**known, "reason": "so"}),
        result("torch-eager"),
        *(reads(name, "raises", place) for name in ("jax-take", "torch-eager")),
        reads("torch-eager", "raises", open_case, message="IndexError: no"),
        reads("jax-take", "NaN", open_case, message="NaN", observed={"output": WIDE}),
    ]
    details = [TimingDetails(gate=GateResult(None, relative_rms_error=e)) for e in (0.0, 1e-6)]
    timed = [
        timing("torch-eager", details=details[0], role="reference"),
        timing("jax-take", "SLOWER", ratio=2.0, ratio_low=1.9, ratio_high=2.1, details=details[1]),
        *(timing("jax-take", workload=f"ROWS={n}", state="hot") for n in (10, 100)),
    ]
    whole = run(lines, backends)
    return [every_outcome(), whole, run(timed, backends, purpose="timing")]


def _open_everything(window: Any) -> None:
    """Open every page, so that it is built, and then show all pages with all details unfolded."""
    for link in find(window, ".pages a"):
        window.execute_script("arguments[0].click()", link)
        settle(window)
    window.execute_script(OPEN_EVERYTHING)
    settle(window)
    for button in window.find_elements("css selector", "#cells button.open")[:1]:
        window.execute_script("arguments[0].click()", button)
    settle(window)


@pytest.mark.parametrize("is_phone", [False, True], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_is_broken(window: Any, show: Open, scheme: str, is_phone: bool) -> None:
    """All pages of the report, with everything unfolded, break no rule of axe-core."""
    with in_scheme(window, scheme), phone(window) if is_phone else nullcontext():
        show(_runs(), evidence=EVIDENCE)
        _open_everything(window)
        assert violations(window) == {}
        window.execute_script("document.querySelector('#cells td').click()")
        assert find(window, "#evidence")
        assert violations(window, "#evidence") == {}


def test_a_planted_fault_is_found(window: Any, show: Open) -> None:
    """axe-core finds a planted low contrast and a field without a label."""
    show(_runs())
    window.execute_script(
        "document.querySelector('.lead').style.color = '#ddd';"
        "document.getElementById('dtype').closest('label').replaceWith(document.getElementById('dtype'));"
    )
    assert {"color-contrast", "select-name"} <= {*violations(window)}

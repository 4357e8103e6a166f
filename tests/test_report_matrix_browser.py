"""The matrix in a browser: a mark in each cell, rows that open, and the evidence beside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Open, chromium, find, phone, report_opener, settle, texts
from report_runs import INVALID, PLAIN, case, every_outcome, info, result, run

from embcheck.conformance.records.run import Run

pytestmark = pytest.mark.browser
DESIGN = {"category": "by-design", "happens": "wrong-value", "reason": "It is documented."}
BUG = {"category": "bug", "happens": "wrong-value", "reason": "It is a fault."}


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield one browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(window: Any, tmp_path: Path) -> Iterator[Open]:
    """Yield a function that opens a report; on exit, check that the browser's log is empty."""
    with report_opener(window, tmp_path) as opened:
        yield opened


def _press(window: Any, *keys: str) -> str:
    """Press keys in the focused element; return the label or text of the one focused then."""
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415  (optional)

    for key in keys:
        window.switch_to.active_element.send_keys(getattr(Keys, key))
    active = window.switch_to.active_element
    return str(active.get_attribute("aria-label") or active.text)


def _families() -> Run:
    """Make a run of two families, with departures by design, a bug and a composition."""
    cases = [case(f"{PLAIN}-{number}") for number in range(3)]
    composed = {"embedding": {"provision": "composed", "spelling": "x"}}
    native = {"embedding": {"provision": "native", "spelling": "x"}}
    backends = [
        info("torch-eager", library="torch", operations=native),
        info("jax-take", library="jax", operations=composed),
        info("flax-nnx", library="flax", operations=native),
    ]
    lines = [result(name, of=of) for name in ("torch-eager", "jax-take") for of in cases]
    known = {"kind": "wrong-value"}
    lines += [result("flax-nnx", "deviated", cases[0], deviation=DESIGN, **known)]
    lines += [result("flax-nnx", "deviated", cases[1], deviation=BUG, **known)]
    lines += [result("flax-nnx", "unsupported", cases[2])]
    return run([*cases, *lines], backends)


def _labels(window: Any, row: str = PLAIN.rpartition("/")[0]) -> list[str]:
    cells = find(window, f'#cells tr[data-row="{row}"] td')
    return [str(cell.get_attribute("aria-label")) for cell in cells]


def test_a_cell_counts_its_cases_with_the_worst_first(show: Open) -> None:
    """A cell shows its worst mark, and its label counts all outcomes."""
    window = show([every_outcome()], "#matrix")
    (label,) = _labels(window)
    assert label == (
        "acme: 2 silent, 1 crash, 1 timeout, 1 loud, 1 error, 1 stale, 1 n/a, 1 passed, "
        "1 observed, 1 of them by design"
    )
    assert texts(window, "#cells tr[data-row] td") == ["✗", "✗"]


def test_columns_stand_by_family_and_can_be_chosen(show: Open) -> None:
    """Columns are grouped by family, and backends or families can be hidden."""
    window = show([_families()], "#matrix")
    assert texts(window, "#cells th.family") == ["PyTorch", "JAX"]
    assert [label.split(":")[0] for label in _labels(window)] == [
        "torch-eager",
        "jax-take",
        "flax-nnx",
    ]
    find(window, ".columns-choice summary")[0].click()
    find(window, "#columns .family:nth-child(2) label:nth-child(2) input")[0].click()
    assert [label.split(":")[0] for label in _labels(window)] == ["torch-eager", "flax-nnx"]
    find(window, "#family option:nth-child(2)")[0].click()
    assert texts(window, "#cells th.family") == ["PyTorch"]
    assert texts(window, "#matrix-shown") == ["1 of 1 rows, 1 of 3 backends"]


def test_by_design_and_bug_native_and_composed_are_told_apart(show: Open) -> None:
    """Departures by design and composed operations are marked apart, and can be filtered."""
    window = show([_families()], "#matrix")
    assert _labels(window) == [
        "torch-eager: 3 passed",
        "jax-take: 3 passed, composed",
        "flax-nnx: 2 silent, 1 n/a, 1 of them by design",
    ]
    assert [cell.get_attribute("class") for cell in find(window, "#cells tr[data-row] td")] == [
        "passed",
        "passed composed",
        "silent",
    ]
    find(window, '#counted option[value="undesigned"]')[0].click()
    assert _labels(window)[2] == "flax-nnx: 1 silent, 1 n/a"
    find(window, '#counted option[value="new"]')[0].click()
    assert _labels(window)[2] == "flax-nnx: 1 n/a"
    find(window, '#counted option[value="all"]')[0].click()
    find(window, "#cells button.open")[0].click()
    marks = [cell.get_attribute("class") for cell in find(window, "#cells tr.one td:last-child")]
    assert marks == ["silent design", "silent", "unsupported"]
    find(window, "#cells tr[data-row] td")[2].click()
    whose = texts(window, "#evidence .whose")
    assert whose[0].startswith("1 by design: the library documents it")
    assert "It is documented." in whose[0]
    assert whose[1].startswith("1 bug: ")


def test_rows_are_behaviours_features_or_clauses(show: Open) -> None:
    """Rows can be behaviours, features or clauses, and a search box filters them."""
    window = show([every_outcome()], "#matrix")
    assert texts(window, "#cells button bdi") == ["bounds", "lookup"]
    find(window, '#rows option[value="clauses"]')[0].click()
    assert texts(window, "#cells button bdi") == ["EMB-LOOK-01"]
    find(window, '#rows option[value="features"]')[0].click()
    assert texts(window, "#cells button bdi") == ["lookup"]
    assert texts(window, "#cells tr.folder") == ["Lookups"]
    find(window, '#rows option[value="behaviours"]')[0].click()
    window.execute_async_script(
        "const done = arguments[0], shown = document.getElementById('matrix-shown');"
        "new MutationObserver((_, o) => { o.disconnect(); done(); })"
        ".observe(shown, {childList: true});"
        "const box = document.getElementById('find-rows'); box.value = 'bounds';"
        "box.dispatchEvent(new Event('input'));"
    )
    assert texts(window, "#cells button bdi") == ["bounds"]


def test_the_matrix_is_used_by_keyboard_alone(window: Any, show: Open) -> None:
    """The matrix can be used by keyboard: arrows move, Enter opens, Escape returns."""
    show([every_outcome("acme"), every_outcome("other")], "#matrix")
    window.execute_script("document.querySelector('#cells td').focus()")
    assert _press(window, "ARROW_RIGHT") == "other: 1 silent"
    assert _press(window, "ARROW_DOWN").startswith("other: 2 silent")
    assert _press(window, "HOME").endswith("lookup")
    assert _press(window, "ENTER", "ARROW_DOWN").startswith("Title of")
    assert len(find(window, "#cells tr.one")) == 10
    assert _press(window, "END", "ENTER") == f"other {PLAIN}-0"
    assert texts(window, "#evidence .behind li .chip") == ["✓ passed"]
    assert _press(window, "ESCAPE") == "other: 1 passed"
    assert find(window, "#evidence") == []
    focused = "return document.querySelectorAll('#cells [tabindex=\"0\"]').length"
    assert window.execute_script(focused) == 1


def test_evidence_leads_to_the_case(show: Open) -> None:
    """A case in the panel beside a cell opens below, with the backend's row marked."""
    window = show([every_outcome()], "#matrix")
    find(window, '#cells tr[data-row="embedding/bounds"] td')[0].click()
    find(window, "#evidence .behind a")[0].click()
    settle(window)
    assert find(window, "#evidence") == []
    assert "took it" in texts(window, "tr.chosen")[0]
    assert INVALID.rpartition("/")[2] in texts(window, ".case[open] .id")[0]


def test_a_phone_scrolls_the_matrix_alone_and_the_scores_fit(window: Any, show: Open) -> None:
    """On a phone forty backends scroll within the matrix, and the scores fit."""
    names = [f"backend-{number}" for number in range(40)]
    lines = [result(name, "failed", kind="wrong-value") for name in names]
    with phone(window):
        show([run([case(), *lines], names)], "#matrix")
        assert window.execute_script("return document.documentElement.scrollWidth") <= 390
        find(window, '.pages a[href="#overview"]')[0].click()
        settle(window)
        box = window.find_element("css selector", "#scores .scroll")
        assert box.get_property("scrollWidth") <= box.get_property("clientWidth")


def test_forty_backends_fit_a_screen(show: Open) -> None:
    """At 1280 pixels the matrix of forty backends does not scroll sideways."""
    names = [f"some-backend-{number}" for number in range(40)]
    window = show([run([case(), *(result(name) for name in names)], names)], "#matrix")
    box = window.find_element("css selector", "#matrix .scroll.tall")
    assert box.get_property("scrollWidth") <= box.get_property("clientWidth")
    heads = find(window, "#cells th.backend, #cells tbody th")
    assert {head.value_of_css_property("position") for head in heads} == {"sticky"}


def test_families_of_scores_fold(show: Open) -> None:
    """A family's row in the scores folds the backends below it."""
    window = show([_families()], "#overview")
    assert texts(window, ".scores tr.family bdi") == ["PyTorch", "JAX"]
    assert len(find(window, ".scores tr.backend")) == 3
    find(window, ".scores tr.family button")[1].click()
    assert texts(window, ".scores tr.backend bdi.name") == ["torch-eager"]

"""The HTML report in a browser: its filters and links, and hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from browser import Open, chromium, find, no_scripts, phone, report_opener, settle, texts, unfold
from report_runs import HOSTILE, INVALID, case, every_outcome, info, result, run, timing

pytestmark = pytest.mark.browser


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


def _type(window: Any, text: str) -> None:
    """Put a text in the filter box and wait until the filter has been applied."""
    script = (
        "const box = document.getElementById('text'), done = arguments[1];"
        "const shown = document.getElementById('shown');"
        "new MutationObserver((_, o) => { o.disconnect(); done(); })"
        ".observe(shown, {childList: true});"
        "box.value = arguments[0]; box.dispatchEvent(new Event('input'));"
    )
    window.execute_async_script(script, text)


def test_it_opens_with_scores_matrix_and_closed_cases(show: Open) -> None:
    """A report opens with its matrix filled and its cases folded."""
    runs = [every_outcome(), run([timing("acme")], ["acme"], purpose="timing")]
    window = show(runs, "#matrix")
    assert texts(window, "#cells button bdi") == ["bounds", "lookup"]
    assert len(find(window, "#groups .group")) == 2
    assert find(window, "#groups .case") == []
    assert texts(window, "#shown") == ["11 of 11 results, in 11 cases"]
    assert find(window, "#timings svg.bar") == []
    find(window, '.pages a[href="#timings"]')[0].click()
    assert len(find(window, "#timings svg.bar")) == 1


def test_another_torch_than_the_contracts_is_named(show: Open) -> None:
    """Backends on another version of PyTorch than the contract's are named under the verdict."""
    old, same = (
        info(name, library="torch", version=version)
        for name, version in {"old": "2.12.1+cpu<b>", "same": "2.13.0+cpu"}.items()
    )
    said = ["The contract is of PyTorch 2.13.0; old runs 2.12.1+cpu<b>."]
    both = run([case(), result("old"), result("same")], [old, same])
    assert texts(show([both], "#overview"), "#overview .other-torch") == said
    timed = run([timing("old")], [old], purpose="timing")
    assert texts(show([timed], "#overview"), "#overview .other-torch") == said
    assert texts(show([run([case(), result("same")], [same])], "#overview"), ".other-torch") == []


def test_a_cell_leads_to_its_cases(show: Open) -> None:
    """The panel beside a cell links to the behaviour's cases, filtered to the backend."""
    window = show([every_outcome("acme"), every_outcome("other")], "#matrix")
    find(window, '#cells tr[data-row="embedding/bounds"] td')[1].click()
    find(window, '#evidence a[href^="#behaviour"]')[0].click()
    settle(window)
    assert texts(window, ".case .title") == [f"Title of {INVALID}"]
    assert texts(window, "#shown") == ["11 of 22 results, in 11 cases"]
    assert texts(window, ".case .tally") == ["✗ 1 silent"]


def test_the_filter_finds_text_in_messages_clauses_and_backends(show: Open) -> None:
    """The filter keeps results that contain all typed words, in any of their texts."""
    window = show([every_outcome()], "#matrix")
    _type(window, "sigsegv ACME")
    assert texts(window, "#shown") == ["1 of 11 results, in 1 cases"]
    assert len(find(window, ".case")) == 1
    assert texts(window, ".group .file") == ["embedding/lookup"]
    _type(window, "every index picks")
    assert texts(window, "#shown") == ["11 of 11 results, in 11 cases"]
    _type(window, "nowhere to be found")
    assert find(window, ".group") == []


def test_outcomes_can_be_filtered(show: Open) -> None:
    """Buttons and boxes filter the results by outcome."""
    window = show([every_outcome()], "#matrix")
    find(window, '[data-preset="silent"]')[0].click()
    assert texts(window, "#shown") == ["3 of 11 results, in 3 cases"]
    find(window, '[data-preset="departures"]')[0].click()
    assert texts(window, "#shown") == ["6 of 11 results, in 6 cases"]
    find(window, '#toggles input[value="unsupported"]')[0].click()
    assert texts(window, "#shown") == ["7 of 11 results, in 7 cases"]
    find(window, '[data-preset="all"]')[0].click()
    assert texts(window, "#shown") == ["11 of 11 results, in 11 cases"]


def test_a_shared_link_opens_the_case_and_marks_the_backend(show: Open) -> None:
    """A link with a case and a backend opens the case and marks the backend's row."""
    address = "#" + urlencode({"case": INVALID, "backend": "acme"})
    window = show([every_outcome()], address)
    (chosen,) = find(window, "tr.chosen")
    for text in ("acme", "silent", "accepted-invalid", "took it", "float32 [2, 2]", "3.5, nan"):
        assert text in chosen.text
    (opened,) = find(window, ".case[open]")
    for text in ("must be refused", "padding_idx", "EMB-LOOK-01", "lookup.yaml:7", "[0, 5]"):
        assert text in opened.text
    top = window.execute_script("return arguments[0].getBoundingClientRect().top", opened)
    assert -1 <= top < 1000


def test_a_link_shows_a_case_that_a_filter_hides(show: Open) -> None:
    """Following a link clears a filter that would hide its target."""
    window = show([every_outcome()])
    _type(window, "sigsegv")
    window.execute_script(
        "location.hash = arguments[0]", urlencode({"case": INVALID, "backend": "acme"})
    )
    settle(window)
    assert len(find(window, "tr.chosen")) == 1


def test_a_link_that_leads_nowhere_does_no_harm(show: Open) -> None:
    """A link to an unknown case, or an invalid one, opens the report as it is."""
    for address in ("#case=unknown&backend=unknown", "#%E0%A4%A", "#matrix"):
        window = show([every_outcome()], address)
        find(window, '.pages a[href="#matrix"]')[0].click()
        assert texts(window, "#shown") == ["11 of 11 results, in 11 cases"]


def test_hostile_text_stays_text(show: Open) -> None:
    """Names and messages with tags, scripts and bidirectional marks are shown as text."""
    of = case(f"embedding/lookup/{HOSTILE}", title=HOSTILE, behaviour=HOSTILE)
    message = f"</script><img src=x onerror=alert(1)>{HOSTILE}"
    deviation = {"reason": HOSTILE, "link": "javascript:alert(1)"}
    lines = [
        of,
        result(HOSTILE, "failed", of, kind=HOSTILE, message=message),
        result("quiet", "deviated", of, deviation=deviation),
        timing(HOSTILE, HOSTILE, message=HOSTILE, workload=HOSTILE),
    ]
    window = show([run(lines, [HOSTILE, "quiet"])], "#matrix")
    find(window, "#cells td")[0].click()
    assert "</script><img src=x onerror=alert(1)>" in texts(window, "#evidence")[0]
    find(window, '#evidence a[href^="#behaviour"]')[0].click()
    settle(window)
    unfold(window, find(window, ".case > summary")[0])
    assert window.title.startswith("embcheck report")
    assert '<script>document.title="owned"</script>\\u202e\\x1b[31m' in texts(window, ".came")[0]
    assert len(window.find_elements("css selector", "script")) == 2
    assert window.find_elements("css selector", 'img, a[href^="javascript"]') == []


def test_an_injected_script_would_not_run(show: Open) -> None:
    """The page's content security policy blocks an injected script."""
    window = show([every_outcome()])
    window.execute_script(
        "const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"';"
        "document.body.append(s);"
    )
    assert window.title.startswith("embcheck report")
    blocked = [
        entry for entry in window.get_log("browser") if "Content Security" in entry["message"]
    ]
    assert len(blocked) == 1


def test_a_long_message_can_be_unfolded(show: Open) -> None:
    """A long message is cut, and a button shows and hides the rest."""
    lines = [case(), result("acme", "errored", message="word " * 1000)]
    window = show([run(lines, ["acme"])], "#" + urlencode({"case": case().case}))
    (cell,) = find(window, ".came .message")
    assert len(cell.text) < 700
    (button,) = find(window, ".came button")
    button.click()
    assert len(cell.text) > 4900
    button.click()
    assert len(cell.text) < 700


def test_a_phone_needs_no_sideways_scrolling(show: Open) -> None:
    """At 390 pixels the page does not scroll sideways, even with a case open."""
    wide = {"dtype": "float64", "shape": [1, 60], "values": [[0.123456789] * 60]}
    of = case(INVALID, expected={"output": wide})
    failed = result("a" * 60, "failed", of, kind="wrong-value", observed={"output": wide})
    window = show([run([of, failed], ["a" * 60])])
    with phone(window):
        window.execute_script("location.hash = arguments[0]", urlencode({"case": INVALID}))
        settle(window)
        assert len(find(window, ".case[open]")) == 1
        assert window.execute_script("return document.documentElement.scrollWidth") <= 390
        (box,) = find(window, ".body > .scroll")
        assert box.get_property("scrollWidth") <= box.get_property("clientWidth")


def test_without_scripts_the_departures_are_in_a_table(window: Any, show: Open) -> None:
    """Without JavaScript the departures are in a table, and no filters are shown."""
    with no_scripts(window):
        show([every_outcome()])
        assert len(find(window, ".fallback tbody tr")) == 6
        assert find(window, "#filters") == []

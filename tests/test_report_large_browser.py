"""A large report in a browser shows the same as a small one, but builds its parts later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from browser import Open, chromium, find, no_scripts, phone, report_opener, settle, texts, unfold
from report_runs import HOSTILE, INVALID, TABLE, case, every_outcome, left_open, reads, result, run

from embcheck.conformance.records.run import Run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield one browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Yield a function that opens any report as a large one."""
    monkeypatch.setattr("embcheck.reports.page.contents.LARGE", 0)
    monkeypatch.setattr("embcheck.reports.page.html.PLAIN_LIMIT", 0)
    with report_opener(window, tmp_path) as opened:

        def unpacked(runs: list[Run], address: str = "") -> Any:
            opened(runs, address)
            window.execute_async_script(
                "const done = arguments[0], shown = document.getElementById('shown');"
                "const look = () => shown.textContent ? done() : setTimeout(look, 10); look();"
            )
            settle(window)
            return window

        yield unpacked


def _open_questions(name: str = "acme", word: str = "NaN") -> Run:
    cases = [left_open("embedding/open/differs", title="They differ.", pytorch="raises")]
    cases.append(
        left_open(
            "atlas/bad_index/lookup[place=past-the-end]",
            parameters={"place": "past-the-end"},
            call={"operation": "embedding", "inputs": {}},
        )
    )
    lines = [reads("other", "raises", of, message="IndexError: no") for of in cases]
    lines += [reads(name, word, of, message=word, observed={"output": TABLE}) for of in cases]
    return run([*cases, *lines], [name, "other"])


def test_it_opens_with_scores_matrix_and_closed_cases(show: Open) -> None:
    """A large report opens without elements for pages not yet opened, and with cases folded."""
    window = show([every_outcome(), _open_questions()])
    cells = "return document.querySelectorAll('#cells td').length"
    assert window.execute_script(cells) == 0
    find(window, '.pages a[href="#matrix"]')[0].click()
    settle(window)
    assert "lookup" in texts(window, "#cells button bdi")
    assert texts(window, "#shown") == ["15 of 15 results, in 13 cases"]
    assert find(window, "#groups .case") == []
    for page in ("ledger", "atlas"):
        count = f"return document.querySelectorAll('#{page} *').length"
        assert window.execute_script(count) <= 1


def test_a_cell_leads_to_its_cases(show: Open) -> None:
    """A cell of the matrix leads to the same cases as in a small report."""
    window = show([every_outcome("acme"), every_outcome("other")], "#matrix")
    cell = find(window, '#cells tr[data-row="embedding/bounds"] td')[1]
    assert cell.get_attribute("aria-label") == "other: 1 silent"
    cell.click()
    find(window, '#evidence a[href^="#behaviour"]')[0].click()
    settle(window)
    assert texts(window, ".case .title") == [f"Title of {INVALID}"]
    assert texts(window, ".case .tally") == ["✗ 1 silent"]


def test_a_shared_link_opens_the_case_and_marks_the_backend(show: Open) -> None:
    """A link with a case and a backend works once the data is unpacked."""
    window = show([every_outcome()], "#" + urlencode({"case": INVALID, "backend": "acme"}))
    (chosen,) = find(window, "tr.chosen")
    for text in ("acme", "silent", "accepted-invalid", "took it", "float32 [2, 2]", "3.5, nan"):
        assert text in chosen.text


def test_a_reading_unfolds_to_message_and_values(show: Open) -> None:
    """A reading of the ledger gets its details when it is opened, and only once."""
    window = show([_open_questions()], "#ledger")
    assert find(window, ".said pre") == []
    for _ in range(3):
        unfold(window, find(window, ".said > summary")[0])
        settle(window)
    (said,) = find(window, ".said[open]")
    for text in ("NaN", "output: float32 [2, 2]", "3.5, nan", "the case"):
        assert text in said.text
    assert said.text.count("the case") == 1
    said.find_element("css selector", ".link").click()
    settle(window)
    assert len(find(window, "tr.chosen")) == 1


def test_a_cell_of_the_atlas_leads_to_its_case(show: Open) -> None:
    """A cell of the atlas links to its case, with the message as title."""
    window = show([_open_questions()], "#atlas")
    (_, link) = find(window, ".atlas td a")
    assert link.get_attribute("title") == "IndexError: no"
    link.click()
    settle(window)
    assert "past-the-end" in texts(window, ".case[open] .id")[0]


def test_many_behaviours_and_cases_come_by_the_hundred(show: Open) -> None:
    """Behaviours and cases are built in portions; a button or a link shows more."""
    cases = [case(f"embedding/file{number}/a") for number in range(450)]
    cases += [case(f"embedding/file0/{number}") for number in range(450)]
    made = run([*cases, *(result("acme", of=of) for of in cases)], ["acme"])
    window = show([made], "#matrix")
    groups = "return document.querySelectorAll('.group').length"
    assert window.execute_script(groups) == 200
    (more,) = find(window, "#groups > .more")
    assert more.text == "Show more: 250 left"
    window.execute_script("arguments[0].click()", more)
    assert window.execute_script(groups) == 400
    window.execute_script("location.hash = 'behaviour=embedding%2Ffile449'")
    settle(window)
    assert texts(window, ".group[open] .file") == ["embedding/file449"]
    window.execute_script("location.hash = 'case=embedding%2Ffile0%2F449'")
    settle(window)
    assert window.execute_script("return document.querySelectorAll('.case').length") == 202
    assert "Title of embedding/file0/449" in texts(window, ".case[open] .title")


def test_hostile_text_stays_text(show: Open) -> None:
    """Hostile text in parts that unfold later stays text."""
    bad = f"</noscript></section><img src=x onerror=alert(1)>{HOSTILE}"
    window = show([_open_questions(bad, bad)], "#ledger")
    for summary in find(window, ".said > summary"):
        unfold(window, summary)
    settle(window)
    assert "<img src=x onerror=alert(1)><script>" in texts(window, "#ledger")[0].replace("\n", "")
    window.execute_script("location.hash = 'atlas'")
    settle(window)
    assert "<img src=x onerror=alert(1)>" in texts(window, "#atlas")[0].replace("\n", "")
    assert window.find_elements("css selector", "img, [onerror]") == []
    assert window.title.startswith("embcheck report")


def test_a_phone_shows_the_ledger_as_a_list(window: Any, show: Open) -> None:
    """On a phone each cell of the ledger has its backend's name before it."""
    with phone(window):
        show([_open_questions("a" * 60)], "#ledger")
        label = "return getComputedStyle(arguments[0], '::before').content"
        cells = find(window, ".ledger tr.differs td")
        assert [window.execute_script(label, cell) for cell in cells] == [
            '"PyTorch, as recorded"',
            f'"{"a" * 60}"',
            '"other"',
        ]
        assert window.execute_script("return document.documentElement.scrollWidth") <= 390


@pytest.mark.usefixtures("show")
def test_without_scripts_every_page_is_there(window: Any, tmp_path: Path) -> None:
    """Without JavaScript, ledger, atlas and departures are shown."""
    with report_opener(window, tmp_path) as opened, no_scripts(window):
        opened([every_outcome(), _open_questions()])
        assert len(find(window, ".fallback tbody tr")) == 6
        assert len(find(window, ".ledger tbody td")) == 6
        assert len(find(window, ".atlas tbody td a")) == 2
        assert "words only" in texts(window, "#ledger .noscript")[0]

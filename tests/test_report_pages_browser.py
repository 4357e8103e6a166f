"""The pages of the HTML report in a browser: navigation, links, and hostile data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Open, chromium, find, no_scripts, phone, report_opener, settle, texts, unfold
from report_evidence import coverage_data, evidence, mutant, mutation_data, sentence
from report_runs import HOSTILE, TABLE, case, left_open, reads, result, run, timing

from embcheck.conformance.records.run import Run

pytestmark = pytest.mark.browser
NAMES = ["Overview", "Matrix", "Ledger", "Atlas", "Coverage", "Mutation", "Timings"]
IDS = [name.lower() for name in NAMES]
EVIDENCE = evidence(coverage_data(), mutation_data())


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


def _everything(name: str = "acme", word: str = "NaN") -> Run:
    """Make a run that has content for every page but those of evidence files."""
    differs = left_open("embedding/open/differs", title="They differ.", pytorch="raises")
    alike = left_open("embedding/open/alike", title="They are alike.", pytorch="raises")
    places = [
        left_open(
            f"atlas/bad_index/lookup[place={place}]",
            clauses=("ATLAS-01",),
            parameters={"place": place},
            call={"operation": "embedding", "inputs": {}},
        )
        for place in ("past-the-end", "minus-one")
    ]
    failed = result(name, "failed", kind="wrong-value", message="output[0] = 1, should be 2")
    cases = [case(), differs, alike, *places]
    lines = [failed, result("other"), reads("other", "raises", differs, message="IndexError: no")]
    lines += [reads(name, word, differs, observed={"output": TABLE})]
    lines += [reads(backend, "raises", alike) for backend in (name, "other")]
    lines += [reads(backend, "raises", of) for of in places for backend in (name, "other")]
    return run([*cases, *lines, timing(name)], [name, "other"])


def _shown(window: Any) -> list[str]:
    return [page.get_attribute("id") for page in find(window, ".page")]


def test_it_opens_with_the_overview_and_one_page_at_a_time(show: Open) -> None:
    """The overview opens first, and each tab shows only its page, from the top."""
    window = show([_everything()], evidence=EVIDENCE)
    assert texts(window, ".pages a") == NAMES
    assert _shown(window) == ["overview"]
    assert find(window, "#scores .share b")
    for name, page in zip(NAMES, IDS, strict=True):
        window.execute_script("window.scrollTo(0, 500)")
        find(window, f'.pages a[href="#{page}"]')[0].click()
        settle(window)
        assert _shown(window) == [page]
        assert texts(window, ".pages [aria-current=page]") == [name]
        assert window.execute_script("return window.scrollY") == 0


def test_a_page_can_be_linked_and_gone_back_to(show: Open) -> None:
    """An address with a page's name opens it, and the back button returns to it."""
    window = show([_everything()], "#mutation", EVIDENCE)
    settle(window)
    assert _shown(window) == ["mutation"]
    assert window.execute_script("return window.scrollY") == 0
    find(window, '.pages a[href="#ledger"]')[0].click()
    settle(window)
    assert _shown(window) == ["ledger"]
    window.back()
    settle(window)
    assert _shown(window) == ["mutation"]


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("#how", "overview"),
        ("#probes", "overview"),
        ("#nowhere", "overview"),
        ("#%E0%A4%A", "overview"),
    ],
)
def test_an_address_within_a_page_opens_that_page(show: Open, address: str, page: str) -> None:
    """A section's address opens its page; an unknown one opens the overview."""
    assert _shown(show([_everything()], address, EVIDENCE)) == [page]


def test_skipping_to_the_content_keeps_the_page(show: Open) -> None:
    """The skip link moves the focus to the content of the open page."""
    window = show([_everything()], "#atlas", EVIDENCE)
    window.execute_script("document.querySelector('.skip').click()")
    settle(window)
    assert _shown(window) == ["atlas"]
    assert window.execute_script("return document.activeElement.id") == "content"


def test_the_ledger_can_be_narrowed_to_what_differs(show: Open) -> None:
    """A box leaves only the rows of the ledger that differ, from PyTorch too."""
    window = show([_everything()], "#ledger")
    assert texts(window, ".ledger tbody th a") == ["They differ.", "They are alike."]
    assert "1 of 2 rows" in texts(window, ".choose")[0]
    find(window, "#only-differing")[0].click()
    assert texts(window, ".ledger tbody th a") == ["They differ."]
    assert len(find(window, ".ledger td.departs .unlike")) == 1


def test_a_reading_unfolds_to_message_and_values(show: Open) -> None:
    """A reading of the ledger unfolds to its message and values, and links to the case."""
    window = show([_everything()], "#ledger")
    assert "IndexError" not in "".join(texts(window, ".ledger"))
    for summary in find(window, ".said > summary"):
        unfold(window, summary)
    said = "".join(texts(window, ".ledger"))
    assert "IndexError: no" in said
    assert "3.5, nan" in said
    find(window, ".said .link")[0].click()
    settle(window)
    assert _shown(window) == ["matrix"]
    assert len(find(window, "tr.chosen")) == 1


def test_a_cell_of_the_atlas_leads_to_its_case(show: Open) -> None:
    """The atlas shows a word for each place, which links to the case."""
    window = show([_everything()], "#atlas")
    assert texts(window, ".atlas tbody td") == ["⊘ raises"] * 4
    find(window, ".atlas td a")[1].click()
    settle(window)
    assert _shown(window) == ["matrix"]
    assert "minus-one" in texts(window, ".case[open] .id")[0]


@pytest.mark.parametrize("page", ["coverage", "mutation"])
def test_a_clause_leads_to_its_cases(show: Open, page: str) -> None:
    """A clause's id links to its cases, by filtering."""
    window = show([_everything()], f"#{page}", EVIDENCE)
    for summary in find(window, f"#{page} summary"):
        unfold(window, summary)
    find(window, f'#{page} a[href="#clause=EMB-LOOK-01"]')[0].click()
    settle(window)
    assert _shown(window) == ["matrix"]
    box = window.find_element("id", "text")
    assert box.get_property("value") == "EMB-LOOK-01"
    assert len(find(window, ".case")) == 3


def test_a_bug_unfolds_to_its_diff_and_leads_to_what_caught_it(show: Open) -> None:
    """A mutant unfolds to its diff, and links to the cases that killed it."""
    window = show([_everything()], "#mutation", EVIDENCE)
    assert find(window, ".diff") == []
    for summary in find(window, ".mutant > summary"):
        unfold(window, summary)
    assert texts(window, ".diff .added")[0] == "+if a <= b:"
    assert texts(window, ".diff .removed")[0] == "-if a < b:"
    find(window, '.mutant a[href^="#case="]')[0].click()
    settle(window)
    assert len(find(window, ".case[open]")) == 1


def test_without_scripts_every_page_stands_below_the_other(window: Any, show: Open) -> None:
    """Without JavaScript all pages are shown below each other, and still unfold."""
    with no_scripts(window):
        show([_everything()], "", EVIDENCE)
        assert _shown(window) == IDS
        find(window, "#only-differing")[0].click()
        assert len(find(window, ".ledger tbody td")) == 3
        find(window, ".mutant > summary")[0].click()
        assert len(find(window, ".diff")) == 1


def _hostile() -> tuple[Run, Any]:
    bad = f"</details></script><img src=x onerror=alert(1)>{HOSTILE}"
    broken = mutant("survived", id=bad, clause=bad, says=bad, file=bad, diff=f"+{bad}")
    survivor = {"id": bad, "diff": bad, "verdict": "equivalent", "reason": bad}
    made = {"tool": bad, "killed": 0, "total": 1, "survivors": [survivor]}
    rows = [sentence("gap", object=bad, parameter=bad, paraphrase=bad, clauses=[bad], reason=bad)]
    unused = [{"operation": bad, "option": bad, "value": bad, "dtype": bad, "reason": bad}]
    return _everything(bad, bad), evidence(
        coverage_data(*rows, torch=bad, not_exercised=unused),
        mutation_data(broken, generated=made),
    )


@pytest.mark.parametrize("page", IDS[1:])
def test_hostile_text_stays_text(show: Open, page: str) -> None:
    """Hostile readings, paraphrases and mutants are shown as text."""
    made, beside = _hostile()
    window = show([made], f"#{page}", beside)
    for summary in find(window, f"#{page} summary"):
        unfold(window, summary)
    assert '<img src=x onerror=alert(1)><script>document.title="owned"</script>' in (
        texts(window, f"#{page}")[0].replace("\n", "")
    )
    assert window.title.startswith("embcheck report")
    assert window.find_elements("css selector", "img, [onerror]") == []
    assert len(window.find_elements("css selector", "script")) == 2


@pytest.mark.parametrize("page", IDS)
def test_a_phone_needs_no_sideways_scrolling(window: Any, show: Open, page: str) -> None:
    """At 390 pixels no page scrolls sideways, with long names and all unfolded."""
    long = "a-rather-long-name-without-any-space-" * 3
    rows = [sentence("gap", object=long, parameter=long, paraphrase=long, clauses=[long])]
    broken = mutant("survived", id=long, clause=long, says=long, file=long, diff=f"+{long}")
    beside = evidence(coverage_data(*rows), mutation_data(broken))
    with phone(window):
        show([_everything(long, long)], f"#{page}", beside)
        for summary in find(window, f"#{page} summary"):
            unfold(window, summary)
        assert _shown(window) == [page]
        assert window.execute_script("return document.documentElement.scrollWidth") <= 390


def test_the_ledger_of_a_phone_is_a_list(window: Any, show: Open) -> None:
    """On a phone the ledger is a list of cells, each with its backend's name before its word."""
    with phone(window):
        show([_everything()], "#ledger")
        (box,) = find(window, "#ledger .scroll")
        assert box.get_property("scrollWidth") <= box.get_property("clientWidth")
        label = "return getComputedStyle(arguments[0], '::before').content"
        cells = find(window, ".ledger tr.differs td")
        assert [window.execute_script(label, cell) for cell in cells] == [
            '"PyTorch, as recorded"',
            '"acme"',
            '"other"',
        ]
        assert len({cell.rect["x"] for cell in cells}) == 1
        for cell in cells:
            (word,) = cell.find_elements("css selector", ".word")
            assert word.rect["x"] > cell.rect["x"] + 100
            assert word.rect["y"] < cell.rect["y"] + 20
        (head,) = window.find_elements("css selector", ".ledger > thead")
        assert head.rect["x"] + head.rect["width"] <= 0


def test_timings_alone_are_on_the_first_page(show: Open) -> None:
    """A report of timings only shows them on the first page."""
    window = show([run([timing("acme")], ["acme"], purpose="timing")])
    assert texts(window, ".pages a") == ["Overview"]
    assert len(find(window, "#timings svg.bar")) == 1

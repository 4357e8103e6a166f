"""The report's first page gives the same answers to needs as `embcheck advise`."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from browser import Open, chromium, find, phone, report_opener, settle, texts, unfold
from report_runs import HOSTILE, case, every_outcome, result, run

from embcheck.conformance.suite.features import shipped_features
from embcheck.reports.answers.advice import Fit, candidates, gather
from embcheck.reports.answers.answer import Answer, answer
from embcheck.reports.answers.concern import Needs, Remark
from embcheck.reports.answers.letters import DTYPES
from embcheck.reports.answers.speeds import Speed, Speeds
from embcheck.reports.compat import shipped
from embcheck.reports.merge import merge
from embcheck.reports.page.advice_payload import advice_payload, payload_of

pytestmark = pytest.mark.browser
DRAWN = 25
"""How many random needs are tried besides the profiles."""
ANSWERED = """
const [data, asked] = [...arguments].map((text) => JSON.parse(text)), advice = new Advice(data);
const told = (remark) => [
  remark.feature, remark.support, remark.how, failsWith(advice, remark), remark.by || "",
];
const lists = ["blockers", "unguarded", "unknown", "limits"];
return asked.map((needs) => advice.answer(needs).map((row) => ({
  backend: row.backend.id, fit: row.fit, recipe: row.fit === "blocked" ? row.recipe : null,
  beside: row.beside.map((remark) => remark.feature),
  ...Object.fromEntries(lists.map((name) => [name, row[name].map(told)])),
})));
"""


def _speeds() -> Speeds:
    """Make timings that change the order of backends that fit alike."""
    names = ["torch-export", "numpy-reference", "jax-take", "tensorflow-eager", "paddle"]
    found = [
        Speed(name, ratio, ratio, ratio, "", 80.0, place)
        for place, (name, ratio) in enumerate(zip(names, (0.5, 0.75, 1.0, 2.0, 3.0), strict=True))
    ]
    return Speeds("T1", "hot, 1 thread", "jax-take", tuple(found))


@pytest.fixture(scope="module")
def data() -> Any:
    """Return the shipped answers in the form of a page's data."""
    return payload_of(shipped(), shipped_features().features, _speeds())


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield one browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Any) -> Iterator[Open]:
    """Yield a function that opens a report, with the shipped answers as the run's own."""
    monkeypatch.setattr("embcheck.reports.page.html.advice_payload", lambda _: data)
    with report_opener(window, tmp_path) as opened:
        yield opened


def _told(needs: Needs) -> Answer:
    return answer(shipped(), needs, candidates(shipped(), _speeds()), "", _speeds())


def _plain(told: Answer) -> list[dict[str, Any]]:
    def plain(remarks: tuple[Remark, ...]) -> list[list[Any]]:
        return [[r.feature, r.found.support, r.found.how, r.words, r.by] for r in remarks]

    names = ("blockers", "unguarded", "unknown", "limits")
    return [
        {
            "backend": row.backend,
            "fit": str(row.advice.fit),
            "recipe": asdict(row.recipe) if row.recipe else None,
            "beside": [*row.advice.beside],
            **{name: plain(getattr(row.advice, name)) for name in names},
        }
        for row in told.rows
    ]


def _drawn() -> Iterator[Needs]:
    draw, names = random.Random(20), [*shipped().features]
    for _ in range(DRAWN):
        features = draw.sample(names, draw.randint(1, 9))
        indices = draw.choice([[], ["int32"], ["int64"], ["int32", "int64"]])
        needs = gather(shipped(), [*features, *indices], None, draw.choice(DTYPES))
        yield replace(needs, refused=tuple(draw.sample(names, draw.randint(0, 4))))


def test_the_script_answers_as_python_does(show: Open, data: Any) -> None:
    """The page's script gives the same order, fits, blockers and recipes as Python."""
    window = show([every_outcome()])
    needs = [*(gather(shipped(), [], name, "float32") for name in shipped().profiles), *_drawn()]
    asked = json.dumps([asdict(each) for each in needs])
    found = window.execute_script(ANSWERED, json.dumps(data), asked)
    for each, rows in zip(needs, found, strict=True):
        assert rows == _plain(_told(each)), each


def _rows(window: Any) -> list[tuple[str, str]]:
    return [
        (item.get_attribute("data-backend"), item.get_attribute("class"))
        for item in find(window, ".backends > li")
    ]


def test_each_profile_orders_the_backends_as_advise_does(show: Open) -> None:
    """Each profile's button lists the backends as `embcheck advise --profile` does."""
    window = show([every_outcome()])
    assert texts(window, ".pages [aria-current=page]") == ["Find a backend"]
    assert "needs JavaScript" not in texts(window, "#advice")[0]
    buttons = find(window, "#profiles button")
    assert [button.text for button in buttons] == [*shipped().profiles]
    for button in buttons:
        button.click()
        told = _told(gather(shipped(), [], button.text, "float32"))
        assert _rows(window) == [(row.backend, str(row.advice.fit)) for row in told.rows]
        assert window.execute_script("return location.hash") == f"#profile={button.text}"
        assert button.get_attribute("aria-pressed") == "true"


def test_a_tick_reorders_the_list_and_the_address_keeps_it(show: Open) -> None:
    """Ticked needs are stored in the address, which opens the same answer again."""
    window = show([every_outcome()])
    find(window, "#clear")[0].click()
    assert texts(window, "#asked") == ["Tick what you need, or begin with a typical use."]
    for summary in find(window, "details.needs > summary"):
        unfold(window, summary)
    for name in ("bag.mean", "bag.int32", "bag.bounds"):
        find(window, f'#features input[value="{name}"]')[0].click()
    find(window, '#dtype option[value="float16"], #dtype option:nth-child(2)')[0].click()
    address = window.execute_script("return location.hash")
    assert address == "#need=bag.mean,bag.int32&refuse=bag.bounds&dtype=float16"
    needs = gather(shipped(), ["bag.mean", "bag.int32"], None, "float16")
    told = _told(replace(needs, refused=("bag.bounds",)))
    expected = [(row.backend, str(row.advice.fit)) for row in told.rows]
    assert _rows(window) == expected
    again = show([every_outcome()], address)
    assert _rows(again) == expected
    assert "float16 tables and int32 indices: bag.mean, bag.int32." in texts(again, "#asked")[0]
    again.execute_script("location.hash = '#profile=mobile-export'")
    settle(again)
    assert texts(again, "#profiles [aria-pressed=true]") == ["mobile-export"]


def test_what_is_in_the_way_is_told_at_length(show: Open) -> None:
    """A backend unfolds to its blockers, each with its sentence and an example case."""
    window = show([every_outcome()], "#profile=recommender-training")
    told = _told(gather(shipped(), [], "recommender-training", "float32"))
    row = next(row for row in told.of(Fit.BLOCKED) if row.advice.blockers[0].found.example)
    (item,) = find(window, f'li[data-backend="{row.backend}"]')
    unfold(window, item.find_element("css selector", "summary"))
    settle(window)
    remark = row.advice.blockers[0]
    said = item.find_element("css selector", ".remarks li").text
    for text in (remark.feature, remark.words, shipped().features[remark.feature]):
        assert text in said
    link = item.find_element("css selector", ".remarks a").get_attribute("href")
    assert link.partition("#")[2].startswith("case=")


@pytest.mark.parametrize(
    "address", ["#need=%E0%A4%A", "#profile=__proto__", f"#need={HOSTILE}&dtype=x"]
)
def test_an_address_that_names_nothing_does_no_harm(show: Open, address: str) -> None:
    """Unknown names in an address are ignored."""
    window = show([every_outcome()], address)
    assert find(window, "#needs")
    assert window.title.startswith("embcheck report")


def test_a_phone_shows_the_answer_without_sideways_scrolling(window: Any, show: Open) -> None:
    """On a phone the groups of features are closed, and nothing is wider than the window."""
    with phone(window):
        show([every_outcome()])
        assert find(window, "details.needs[open]") == []
        assert window.execute_script("return document.documentElement.scrollWidth") <= 390


def test_a_record_that_decides_nothing_has_no_such_page() -> None:
    """A record that decides no feature has no such page."""
    assert advice_payload(merge([run([case(), result("acme")], ["acme"])])) is None


def test_print_has_the_answer_and_the_scores(window: Any, show: Open) -> None:
    """Printing shows the answer and the scores only, whatever page is open."""
    show([every_outcome()], "#matrix")
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert find(window, ".backends > li")
        assert find(window, ".scores tr.backend")
        assert not find(window, "#cells, #groups, #needs, nav")
    finally:
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

"""Reports and differences of many results stay small and lose nothing."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from large_record import grow, write
from report_runs import HOSTILE, case, every_outcome, left_open, reads, result, run
from rich.console import Console

from embcheck.conformance.records.lines import to_json_data
from embcheck.conformance.records.run import Run, read_runs
from embcheck.reports.diff import Side, compare
from embcheck.reports.ledger import ledger
from embcheck.reports.merge import Merged, merge
from embcheck.reports.page.atlas import atlas
from embcheck.reports.page.html import render_html
from embcheck.reports.room import CELLS_SHOWN, LARGE, with_room
from embcheck.reports.terminal.diff import print_difference
from embcheck.reports.terminal.summary import print_conformance

BACKENDS = 40


def _lines(*runs: Run) -> Iterator[dict[str, Any]]:
    for made in runs:
        lines: list[Any] = [made.header, *made.clauses.values(), *made.cases.values()]
        yield from map(to_json_data, (*lines, *made.results, made.footer))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Merged:
    """Return a record of 24,000 results of many outcomes, with messages and values of their own."""
    lines = _lines(every_outcome("acme"), every_outcome("other"))
    return merge(read_runs(write(grow(lines, 600, BACKENDS), tmp_path_factory.mktemp("large"))))


@pytest.fixture(scope="module")
def page(large: Merged) -> str:
    """Return the HTML report of that record."""
    return render_html(large)


def _data(page: str) -> Any:
    found = re.search(r'<script type="application/gzip;base64" id="data">(.*?)</script>', page)
    assert found is not None
    return json.loads(gzip.decompress(b64decode(found[1])))


def test_a_result_of_a_large_report_weighs_a_few_bytes(large: Merged, page: str) -> None:
    """A result of a large report takes less than 8 bytes."""
    assert len(large.findings) > LARGE
    block = page.split('id="data">')[1].split("</script>", maxsplit=1)[0]
    assert len(block) / len(large.findings) < 8
    assert len(page) < 1_000_000


def test_a_large_report_has_every_result(large: Merged, page: str) -> None:
    """The packed data has every result with its mark and message."""
    data = _data(page)
    marks = Counter(data["marks"][number][0] for number in data["mark"])
    assert marks == Counter(str(found.mark) for found in large.findings)
    assert sum(data["counts"]) == len(large.findings)
    assert {len(data[name]) for name in ("backend", "detail", "milliseconds")} == {
        len(large.findings)
    }
    new = iter(range(len(data["details"])))
    details = [number - 1 if number else next(new) for number in data["detail"]]
    said = [data["texts"][data["details"][number][1]] for number in details]
    assert said == [found.message for found in large.findings]


def test_what_is_not_looked_at_costs_no_elements(page: str) -> None:
    """Pages that are not open are stored as text, so that few elements are built."""
    shown = re.sub(r"<noscript>.*?</noscript>", "", page, flags=re.DOTALL)
    assert shown.count("<") < 6000
    assert "<section class=" in shown


def _spread(behaviours: int, backends: int) -> Merged:
    """Make a run of one case for each of many behaviours; the last one departs."""
    names = [f"backend-{number}" for number in range(backends)]
    cases = [case(f"embedding/file{number}/case") for number in range(behaviours)]
    lines = [result(name, of=of) for of in cases for name in names]
    lines[-1] = result(names[-1], "failed", cases[-1], kind="wrong-value")
    return merge([run([*cases, *lines], names)])


def test_a_report_of_many_behaviours_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix is built from the data, which has each behaviour once."""
    monkeypatch.setattr("embcheck.reports.page.contents.LARGE", 0)
    text = render_html(_spread(900, 11))
    assert len(text) < 500_000
    assert len(_data(text)["behaviours"]) == 900


def test_ledger_and_atlas_are_bounded() -> None:
    """Ledger and atlas show a bounded number of rows, those with differences first."""
    names = ["one", "two"]
    cases = [left_open(f"embedding/open/{number}") for number in range(3000)]
    lines = [reads(name, "raises", of) for of in cases for name in names]
    lines[-1] = reads("two", "NaN", cases[-1])
    table = ledger(merge([run([*cases, *lines], names)])).cases
    shown = table.with_room()
    assert len(table.rows) == 3000
    assert len(shown.rows) == CELLS_SHOWN // 3
    assert shown.rows[-1].differs
    places = [
        left_open(f"atlas/bad/n{number}[place=p]", parameters={"place": f"p{number % 400}"})
        for number in range(60)
    ]
    found = atlas(merge([run([*places, *(reads("one", "raises", of) for of in places)], ["one"])]))
    assert found.size == 60
    assert found.with_room().size == 60
    assert len(with_room(range(500), 400, lambda _: False)) == CELLS_SHOWN // 400


def test_one_backend_cannot_drown_the_page() -> None:
    """The messages of a backend with too many are cut; those of others are not."""
    drawn = random.Random(1)
    cases = [case(f"embedding/lookup/{number}") for number in range(600)]
    values = {"dtype": "float64", "shape": [200], "values": [drawn.random() for _ in range(200)]}
    lines: list[Any] = []
    for of in cases:
        noise = f"{drawn.getrandbits(40_000):x}"
        observed = {"output": {**values, "values": [drawn.random() for _ in range(200)]}}
        lines.append(
            result("flood", "failed", of, kind="wrong-value", message=noise, observed=observed)
        )
        lines.append(result("quiet", "failed", of, kind="wrong-value", message=f"{of.case} " * 10))
    lines += [result(f"calm-{number}", of=cases[0]) for number in range(30)]
    names = ["flood", "quiet", *(f"calm-{number}" for number in range(30))]
    page = render_html([run([*cases, *lines], names)])
    assert len(page) < 1_500_000
    texts = _data(page)["texts"]
    assert sum("more characters" in text for text in texts) > 500
    assert {f"{of.case} " * 10 for of in cases} <= set(texts)


def test_hostile_text_stays_text_in_a_large_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that unfold later are escaped too."""
    monkeypatch.setattr("embcheck.reports.page.contents.LARGE", 0)
    bad = f"</noscript></section><img src=x onerror=alert(1)>{HOSTILE}"
    of = left_open(f"embedding/open/{bad}", title=bad)
    place = left_open(f"atlas/{bad}/a", title=bad, parameters={"place": bad})
    lines = [reads(bad, bad, one, message=bad) for one in (of, place)]
    page = render_html([run([of, place, *lines], [bad])])
    assert "<img" not in page
    assert page.count("<noscript>") == page.count("</noscript>") == 3


def _changed(count: int, messages: Iterable[str]) -> tuple[Run, Run]:
    cases = [case(f"embedding/file{number % 7}/{number}") for number in range(count)]
    before = run([*cases, *(result("acme", of=of) for of in cases)], ["acme"])
    after = [
        result("acme", "failed" if number % 2 else "passed", of, message=message)
        for number, (of, message) in enumerate(zip(cases, messages, strict=True))
    ]
    return before, run([*cases, *after], ["acme"])


def test_a_difference_of_many_results_prints_a_bounded_summary() -> None:
    """The summary of many changes has their number and lists only a few."""
    before, after = _changed(4000, (f"{HOSTILE} {number}" for number in range(4000)))
    found = compare(Side.of(merge([before])), Side.of(merge([after])))
    file = io.StringIO()
    print_difference(found, ("a", "b"), Console(file=file, width=80))
    text = file.getvalue()
    assert len(text.splitlines()) < 200
    assert max(map(len, text.splitlines())) <= 80
    assert "Outcomes that changed: 2000" in text
    assert "... and 1,990 more in 1,990 groups; --json has all" in text
    assert "4000 of 4000 results differ" in text
    assert {"\x1b", "\u202e"}.isdisjoint(text)


def test_a_difference_of_many_results_is_whole_as_json() -> None:
    """The JSON form has every change, each on a line."""
    before, after = _changed(300, (f"m{number}\n" for number in range(300)))
    found = compare(merge([before]), merge([after]))
    lines = list(found.json_lines())
    data = json.loads("\n".join(lines))
    assert len(data["changes"]) == data["compared"] == 300
    assert len(lines) < 300 + 20


def test_a_side_keeps_no_results() -> None:
    """A side of a comparison does not keep the run's results in memory."""
    before, _ = _changed(3, "abc")
    side = Side.of(merge([before]))
    assert [made.results for made in side.runs] == [[]]
    assert len(before.results) == 3


def test_a_summary_does_not_look_at_all_results_for_each_backend() -> None:
    """The summary's work grows with the results, not with results times backends."""
    names = [f"backend-{number}" for number in range(300)]
    made = _counted(merge([run([case(), *map(result, names)], names)]))
    print_conformance(made, Console(file=io.StringIO(), width=80))
    assert 0 < _Counted.looked < 40 * len(names)


class _Counted(tuple[Any, ...]):
    """A tuple of findings that counts how many it has yielded."""

    __slots__ = ()
    looked = 0

    def __iter__(self) -> Iterator[Any]:
        for found in super().__iter__():
            type(self).looked += 1
            yield found


def _counted(made: Merged) -> Merged:
    _Counted.looked = 0
    return Merged(
        made.runs,
        made.backends,
        made.clauses,
        made.cases,
        _Counted(made.findings),
        made.measurements,
    )

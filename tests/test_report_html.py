"""The HTML report: what it counts and shows, and that no text becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_payload import data_of, results_of
from report_runs import (
    HOSTILE,
    INVALID,
    PLAIN,
    case,
    every_outcome,
    header,
    result,
    run,
    timing,
)

from embcheck.conformance.records.details import CallTimes, Resolution, Shares, TimingDetails
from embcheck.conformance.records.lines import Reason
from embcheck.conformance.records.run import Run
from embcheck.reports.frames import Loaded
from embcheck.reports.marks import Mark, mark_of
from embcheck.reports.merge import merge
from embcheck.reports.page.html import render_html, write_html
from embcheck.reports.page.score_families import score_families
from embcheck.reports.tables import score_table
from embcheck.reports.timings import timings


class _Reader(HTMLParser):
    """A parser that collects tags with their attributes, and text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._skipping = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._skipping += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._skipping -= tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def _strings(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [text for item in data.items() for text in _strings(list(item))]
    if isinstance(data, list):
        return [text for item in data for text in _strings(item)]
    return [data] if isinstance(data, str) else []


def _hostile() -> list[Run]:
    of = case(f"embedding/lookup/{HOSTILE}", title=HOSTILE, behaviour=HOSTILE, where=HOSTILE)
    deviation = {"reason": HOSTILE, "category": HOSTILE, "link": f"javascript:{HOSTILE}"}
    lines = [
        of,
        result(HOSTILE, "failed", of, kind=HOSTILE, message=f"</script><!--{HOSTILE}"),
        result("quiet", "deviated", of, message=HOSTILE, deviation=deviation),
        result("lone", "crashed", of, message="a lone surrogate: \ud800"),
    ]
    environment = {HOSTILE: HOSTILE}
    made = run(lines, [HOSTILE, "quiet", "lone"], environment=environment, embcheck=HOSTILE)
    timed = run(
        [
            timing(
                HOSTILE,
                HOSTILE,
                message=HOSTILE,
                workload=HOSTILE,
                flags=(HOSTILE,),
                break_even_calls=HOSTILE,
                details=TimingDetails(device_missing=HOSTILE),
                reasons=(Reason(HOSTILE, HOSTILE),),
            )
        ],
        [HOSTILE],
        purpose="timing",
    )
    gone = replace(made.header, backends=({"id": "gone", "unavailable": HOSTILE},))
    return [made, timed, Run(gone)]


def test_every_outcome_is_counted_once_in_its_score() -> None:
    """Each outcome counts once in its score, and only scored ones are in the denominator."""
    (score,) = score_table(merge([every_outcome()]))
    assert {mark: score.answers[mark] for mark in Mark} == {
        Mark.SILENT: 2,
        Mark.CRASHED: 1,
        Mark.TIMED_OUT: 1,
        Mark.LOUD: 1,
        Mark.ERRORED: 1,
        Mark.STALE: 1,
        Mark.DEVIATED: 0,
        Mark.NOT_RUN: 0,
        Mark.UNSUPPORTED: 1,
        Mark.PASSED: 1,
        Mark.OBSERVED: 0,
        Mark.EARLIER: 0,
    }
    assert (score.answers.passed, score.answers.scored) == (1, 8)
    assert (score.guards.passed, score.guards.scored) == (0, 1)
    assert (score.total[Mark.SILENT], score.total[Mark.OBSERVED]) == (3, 1)
    assert (score.known, score.total.departures) == (1, 6)


def test_unsupported_is_never_passed_and_never_zero_percent() -> None:
    """A backend that supports nothing has no score, neither 0 % nor 100 %."""
    (score,) = score_table(merge([run([case(), result("acme", "unsupported")], ["acme"])]))
    assert score.answers.share is None
    page = _Reader(render_html([run([case(), result("acme", "unsupported")], ["acme"])])).text
    assert "100 %" not in page
    assert "0 %" not in page.replace("never 0 %", "")
    assert "conforms" not in page


def test_a_share_is_never_rounded_up_to_all() -> None:
    """One failure among thousands is not shown as 100 %."""
    cases = [case(f"{PLAIN}-{number}") for number in range(3000)]
    lines = [result("acme", of=of) for of in cases[1:]]
    failed = result("acme", "failed", cases[0], kind="wrong-value")
    page = _Reader(render_html([run([*cases, *lines, failed], ["acme"])])).text
    assert "99.9 %" in page
    assert "2999/3000" in page


def test_a_partial_run_is_shouted() -> None:
    """A partial run is announced at the top, and its missing results are `not-run`."""
    cases = [case(), case(f"{PLAIN}-2")]
    cut = run([*cases, result("acme")], ["acme"], ended=False)
    reader = _Reader(render_html([cut]))
    assert "Partial run." in reader.text
    assert "after 1 of 10 results" in reader.text
    assert ("div", {"class": "partial", "role": "alert"}) in reader.tags
    assert [found["mark"] for found in results_of(render_html([cut]))] == ["passed", "not-run"]
    assert "conforms to the contract" not in reader.text


def test_a_whole_run_is_not_called_partial() -> None:
    """A complete run has no such warning."""
    reader = _Reader(render_html([run([case(), result("acme")], ["acme"])]))
    assert "Partial run." not in reader.text
    assert "The backend conforms to the contract." in reader.text


def test_a_part_of_the_suite_is_not_called_conforming() -> None:
    """A run of selected cases is not said to conform, unless another run had the whole suite."""
    chosen = {"selection": "-k <b>padding"}
    part = run([case(), result("acme")], ["acme"], settings=chosen)
    reader = _Reader(render_html([part]))
    assert "conforms to the contract" not in reader.text
    assert "a part of the suite was left out" in reader.text
    assert "only a part was run: -k <b>padding" in reader.text
    both = _Reader(render_html([run([case(), result("acme")], ["acme"]), part]))
    assert "The backend conforms to the contract." in both.text
    assert "only a part" not in both.text


def test_the_later_result_wins_but_not_run_undoes_nothing() -> None:
    """Of several results the latest counts, in any order of runs; `not-run` replaces none."""
    early = run([case(), result("acme", "failed", kind="wrong-value")], ["acme"])
    late = run([case(), result("acme")], ["acme"], started="2026-11-22T10:00:00+00:00")
    unknown = run([case(), result("acme", "not-run")], ["acme"], started="2026-11-23T10:00:00")
    (found,) = merge([unknown, late, early]).findings
    assert found.mark is Mark.PASSED


def test_a_verdict_is_not_drawn_from_an_errored_result() -> None:
    """An errored result makes the verdict inconclusive."""
    other = case(f"{PLAIN}-2")
    runs = [run([case(), other, result("acme"), result("acme", "errored", other)], ["acme"])]
    assert "not all is known: 1 errored" in _Reader(render_html(runs)).text


def test_departures_make_the_first_sentence() -> None:
    """The page begins with how many backends depart, and how."""
    page = _Reader(render_html([every_outcome()])).text
    sentence = "1 of 1 backend departs from the contract: "
    assert f"{sentence}3 silent failures, 1 loud failure, 1 crash, 1 time-out; 1 are" in page


def test_whose_known_departures_are_is_counted_and_shown() -> None:
    """Known departures are counted and shown by category."""
    cases = [case(f"{PLAIN}-{number}") for number in range(4)]
    known = {"happens": "wrong-value", "reason": "r"}
    design = {**known, "category": "by-design", "cause": "documented"}
    told = [
        {**known, "category": "bug", "cause": "memory-unsafety"},
        design,
        design,
        {**known, "category": HOSTILE, "cause": HOSTILE},
    ]
    lines = [
        result("acme", "deviated", of, kind="wrong-value", deviation=deviation)
        for of, deviation in zip(cases, told, strict=True)
    ]
    made = run([*cases, *lines], ["acme"])
    (score,) = score_table(merge([made]))
    assert (score.known, score.categories) == (4, {"bug": 1, "by-design": 2})
    page = render_html([made])
    assert "all are known and explained: 1 bug, 2 by-design." in _Reader(page).text
    (family,) = score_families([score], lambda _: "somelib").families
    assert family.counted.whose == (1, 2, 1)
    assert family.counted.failures == (4, 0, 0)
    assert page.count(" silent, known bug</span>") == 1
    assert page.count(" silent, known by-design</span>") == 1
    shown = [found["deviation"] for found in results_of(page)]
    assert [(one["category"], one["cause"]) for one in shown[:2]] == [
        ("bug", "memory-unsafety"),
        ("by-design", "documented"),
    ]
    assert list(Loaded([made]).outcomes()["category"]) == ["bug", "by-design", "by-design", ""]


@pytest.mark.parametrize(("outcome", "changed"), [("failed", True), ("deviated", False)])
def test_a_changed_departure_is_told_from_a_known_one(outcome: str, changed: bool) -> None:
    """A departure other than the known one is marked as changed."""
    known = {"happens": "crashed", "reason": "r"} if changed else {"happens": "wrong-value"}
    lines = [case(), result("acme", outcome, kind="wrong-value", deviation=known)]
    text = render_html([run(lines, ["acme"])])
    assert ("changed" in results_of(text)[0]["deviation"]) is changed
    assert f" silent, {'changed' if changed else 'known'}</span>" in text


def test_a_known_deviation_has_the_mark_of_what_happened() -> None:
    """A deviation has the mark of what happened; one that did not happen is `deviated`."""

    def mark(kind: str | None, happens: str) -> Mark:
        return mark_of(result("acme", "deviated", kind=kind, deviation={"happens": happens}))

    assert mark("wrong-value", "wrong-value") is Mark.SILENT
    assert mark("rejected-valid", "rejected-valid") is Mark.LOUD
    assert mark(None, "crashed") is Mark.CRASHED
    assert mark(None, "wrong-value") is Mark.DEVIATED


def test_a_failure_that_does_not_say_is_silent_unless_it_refused() -> None:
    """A failure recorded without `silent` is marked by its kind."""
    other = case(f"{PLAIN}-2")
    lines = [
        result("acme", "failed", kind="rejected-valid", silent=None),
        result("acme", "failed", other, kind="wrong-effect", silent=None),
    ]
    found = merge([run([case(), other, *lines], ["acme"])]).findings
    assert [finding.mark for finding in found] == [Mark.LOUD, Mark.SILENT]


def test_an_unknown_outcome_counts_as_an_error() -> None:
    """An unknown outcome counts as errored."""
    (found,) = merge([run([case(), result("acme", "brilliant")], ["acme"])]).findings
    assert found.mark is Mark.ERRORED


def test_an_unavailable_backend_is_named_with_its_reason() -> None:
    """An unavailable backend has no column, but a line with the reason."""
    lines = [case(), result("acme"), result("gone", "not-run", message="unavailable: no device")]
    made = run(lines, ["acme"])
    gone = {"id": "gone", "unavailable": "no device"}
    made.header = replace(made.header, backends=(*made.header.backends, gone))
    page = render_html([made])
    assert "no device" in _Reader(page).text
    assert data_of(page)["backends"] == ["acme"]


def test_hostile_text_never_becomes_markup() -> None:
    """No text of a run adds an element, an attribute, a script or an invisible character."""
    page = render_html(_hostile())
    reader = _Reader(page)
    assert reader.count("script") == 2
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert '<script>document.title="owned"</script>' in reader.text
    assert not {"\u202e", "\x1b"} & set(page)
    assert not {"\u202e", "\x1b"} & set("".join(_strings(data_of(page))))
    assert page.encode("utf-8")
    assert "\\u202e\\x1b[31m" in reader.text
    for _, attributes in reader.tags:
        assert not str(attributes.get("href", "")).startswith("javascript")


def test_the_data_block_survives_text_that_would_close_it() -> None:
    """Text that would close the JSON block is escaped and reads back unchanged."""
    page = render_html(_hostile())
    texts = data_of(page)["texts"]
    assert any(text.startswith("</script><!--<script>") for text in texts)
    block = page.split('id="data">')[1].split("</script>")[0]
    assert not {"<", ">", "&"} & set(block)


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://example.org/issues/1?a=b#c", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("JavaScript:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("//example.org", False),
        ("https:", False),
        ("https://exa\u202emple.org", False),
        (7, False),
    ],
)
def test_only_web_addresses_become_links(link: Any, kept: bool) -> None:
    """A deviation's link is a link only if it is http or https."""
    lines = [case(), result("acme", "deviated", deviation={"reason": "r", "link": link})]
    deviation = results_of(render_html([run(lines, ["acme"])]))[0]["deviation"]
    assert ("link" in deviation) is kept


def test_the_page_loads_nothing_and_runs_only_its_own_script() -> None:
    """The page loads nothing, and its policy allows only its own script, by hash."""
    reader = _Reader(render_html([every_outcome()]))
    policy = next(a["content"] or "" for _, a in reader.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='", policy)
    loads = [a[key] or "" for _, a in reader.tags for key in ("src", "href") if key in a]
    assert all(address.startswith(("#", "data:,")) for address in loads)


def test_behind_a_cell_stand_the_call_the_expectation_and_what_came() -> None:
    """The page's data has each case's inputs, options, control, clause and place."""
    data = data_of(render_html([every_outcome()]))
    entries = data["entries"]
    invalid = next(entry for entry in data["cases"] if entry["id"] == INVALID)
    assert [entry["id"] for entry in data["cases"] if entry["refused"]] == [INVALID]
    assert entries[invalid["inputs"][0]] == [
        "weight",
        "float32 [2, 2]",
        "[[  1,   2],\n [3.5, nan]]",
    ]
    assert [entries[number] for number in invalid["options"]] == [["padding_idx", "-1", ""]]
    changed = [entries[number] for number in invalid["control"]]
    assert ["indices", "int64 [2]", "[0, 1]"] in changed
    assert "weight" not in [name for name, *_ in changed]
    assert data["clauses"]["EMB-LOOK-01"][1].startswith("Every index picks")
    assert invalid["where"] == "specs/embedding/lookup.yaml:7"


def test_expectations_of_a_structure_or_the_reference_are_readable() -> None:
    """Partial expectations, and those from the reference, are described in words."""
    structure = {
        "shape": [2, 2],
        "dtype": "float32",
        "at": [{"position": [0], "values": [1.0, 2.0]}],
        "equal": [[[0], [1]]],
        "nonzero": [[1]],
    }
    expected = {"output": structure, "grad_weight": {"reference": "numpy-reference"}}
    lines = [case(expected=expected), result("acme")]
    entries = {e[0]: e[1:] for e in data_of(render_html([run(lines, ["acme"])]))["entries"]}
    assert (
        entries["output"][1] == "at [0]: [1, 2]\nequal to one another: [0], [1]\nnot all zero: [1]"
    )
    assert entries["grad_weight"][0] == "what numpy-reference answers to the same call"


def test_timings_show_ratio_interval_verdict_and_reason() -> None:
    """Each timing has its interval as text and picture, or a reason for having none."""
    nothing = dict.fromkeys(
        ("ns_per_lookup", "ratio", "ratio_low", "ratio_high", "first_call_seconds")
    )
    lines = [
        timing("ref", role="reference"),
        timing(
            "quick",
            "FASTER",
            ratio=0.5,
            ratio_low=0.48,
            ratio_high=0.53,
            flags=("steal",),
            break_even_calls=0.3,
            details=TimingDetails(shares=Shares(0.42, 0.5, 10.0, "np.take", 8.4, "np.copyto")),
        ),
        timing("wrong", "NOT TIMED", message="the answer is wrong", **nothing),
    ]
    reader = _Reader(render_html([run(lines, ["ref", "quick", "wrong"], purpose="timing")]))
    labels = [a["aria-label"] for tag, a in reader.tags if tag == "svg" and a.get("role") == "img"]
    assert labels == [
        "ratio 1, 95 % interval 0.99 to 1.01",
        "ratio 0.5, 95 % interval 0.48 to 0.53",
    ]
    for text in ("FASTER", "NOT TIMED", "the answer is wrong", "on this machine", "Timings only"):
        assert text in reader.text
    for text in ("flags: steal", "paid back after 1 call", "42% of a gather"):
        assert text in reader.text


def _reasons(*texts: str) -> tuple[Reason, ...]:
    return tuple(Reason("noise", text) for text in texts)


def test_what_all_timings_of_a_cell_share_is_parted_from_their_own() -> None:
    """Reasons and flags that all rows of a cell share are shown once, in the cell's head."""
    both = _reasons("a noisy machine", "one of 45")
    lines = [
        timing("ref", role="reference", flags=("a/a", "steal")),
        timing("one", flags=("steal", "a/a"), message="a noisy machine"),
        timing("two", flags=("a/a", "steal", "many"), reasons=both),
        timing("three", "NOT TIMED", ratio=None, flags=("a/a", "steal"), message="unsupported"),
    ]
    (group,) = timings(lines).groups
    assert group.notes == ("a noisy machine",)
    assert group.flags == ("a/a", "steal")
    assert [row.message for row in group.rows] == ["", "", "one of 45", "unsupported"]
    assert [row.flags for row in group.rows] == [(), (), ("many",), ()]
    (alone,) = timings(lines[2:3]).groups
    assert alone.notes == alone.flags == ()
    assert alone.rows[0].flags == ("a/a", "steal", "many")


def test_a_row_says_in_short_what_resolution_it_has() -> None:
    """A row has a short note on its resolution; the details have the full one."""
    note = "only differences over 20% count: ref against itself gave 1.1"
    details = TimingDetails(resolution=Resolution(0.2, note))
    line = timing("one", reasons=_reasons("odd: indeed", note), details=details)
    ((row,),) = (group.rows for group in timings([line]).groups)
    assert row.message == "odd: indeed; only differences over 20% count"
    assert ("resolution note", note) in row.details


def test_a_message_that_several_timings_share_is_said_once() -> None:
    """A message that all timings of a cell share is shown once, in the cell's head."""
    lines = [timing(name, "INCONCLUSIVE", message="a noisy machine") for name in ("one", "two")]
    lines += [timing("one", "INCONCLUSIVE", message="a noisy machine", state="cold")]
    page = render_html([run(lines, ["one", "two"], purpose="timing")])
    text = _Reader(page).text
    head = page.split("t1-one-token</bdi>, cold")[1].split("</tr>")[0]
    assert "a noisy machine" not in head
    assert text.count("a noisy machine") == 2
    assert "t1-one-token, hot, 1 thread" in text
    assert "t1-one-token, cold, 1 thread" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "fast", 0.0, -1.0, 1e300, True])
def test_a_figure_that_is_none_does_not_stop_a_report(value: Any) -> None:
    """Figures that make no sense are left out or drawn at the edge."""
    names = ("ratio", "ratio_low", "ratio_high", "ns_per_lookup", "break_even_calls")
    line = timing("acme", **dict.fromkeys(names, value))
    assert "t1-one-token" in render_html([run([line], ["acme"], purpose="timing")])
    times, shares = CallTimes(*[value] * 4), Shares(*[value] * 6)
    line = timing("acme", details=TimingDetails(times=times, shares=shares))
    assert "t1-one-token" in render_html([run([line], ["acme"], purpose="timing")])
    lines = [case(), result("acme", seconds=value)]
    assert data_of(render_html([run(lines, ["acme"])]))


def test_no_results_at_all_make_a_report_that_says_so() -> None:
    """A run without results gives a report without scores that says so."""
    text = _Reader(render_html([Run(header(["acme"]))])).text
    assert "No results." in text
    assert "Partial run." in text


def test_a_large_run_stays_small() -> None:
    """The report of 6,000 results is below 2 MB: tables and messages are stored once."""
    backends = [f"backend-{number}" for number in range(24)]
    cases = [case(f"embedding/file{number % 20}/case-{number}") for number in range(250)]
    lines = [result(name, of=of, message=f"message of {name}") for of in cases for name in backends]
    assert len(render_html([run([*cases, *lines], backends)])) < 2_000_000


def test_an_endless_message_is_cut() -> None:
    """A message of megabytes is cut."""
    lines = [case(), result("acme", "errored", message="x" * 3_000_000)]
    page = render_html([run(lines, ["acme"])])
    assert len(page) < 300_000
    assert "2980000 more characters" in page


def test_a_report_replaces_an_earlier_one(tmp_path: Path) -> None:
    """Writing a report makes its folder, leaves no unfinished file, and replaces an earlier one."""
    path = tmp_path / "deep" / "report.html"
    write_html([Run(header(["acme"]))], path)
    write_html([every_outcome()], path)
    assert "acme" in path.read_text("utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]

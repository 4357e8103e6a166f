"""Deviations that name another spelling are checked against it, and adapters' help is recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import embcheck
from report_runs import HOSTILE, case, info, result, run

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.protocol.answers import Answered, NotSupported
from embcheck.conformance.records.lines import ResultLine
from embcheck.conformance.records.run import read_runs
from embcheck.reports.helped import Help, helped
from embcheck.reports.merge import merge
from embcheck.reports.page.html import render_html

CASES = ("picks-rows*", "repeats-and-order*", "first-and-last-row*")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ResultLine]:
    """Return the results of lookups on a backend with three spellings, by name of the case."""
    out: Path = tmp_path_factory.mktemp("spelled")
    names = [word for name in CASES for word in ("--case", f"embedding/lookup/{name}")]
    embcheck("run", "-b", "zoo-spelled-thrice", *names, "--out", out)
    (run,) = read_runs(out)
    return {found.case.split("/")[2].split("[")[0]: found for found in run.results}


@pytest.mark.parametrize(
    ("case", "outcome", "words"),
    [
        ("picks-rows", "deviated", "output"),
        ("repeats-and-order", "stale", "conform as rolled(indices), but that is wrong-value"),
        ("first-and-last-row", "stale", "there is no spelling 'columns(indices)'"),
    ],
)
def test_an_entry_is_held_to_the_spelling_that_it_names(results, case, outcome, words):
    """A deviation that names another spelling is stale unless that spelling conforms."""
    assert results[case].outcome == outcome
    assert words in results[case].message


def test_what_an_adapter_does_itself_is_recorded(results):
    """Help is recorded for the call in which the adapter gave it, and for no other."""
    assert tuple(results["picks-rows"].helped) == ("rolls the rows of the table",)
    table = np.eye(3, dtype=np.float32)
    lookup = Call(Operation.EMBEDDING, {"weight": table, "indices": np.array([2])})
    bags = Call(Operation.EMBEDDING_BAG, {"weight": table, "indices": np.array([[2]])})
    worker = WorkerClient("zoo-spelled-thrice")
    try:
        answers = [worker.ask(call) for call in (lookup, bags)]
        helped = [answer.details["helped"] for answer in answers if isinstance(answer, Answered)]
        assert helped == [["rolls the rows of the table"], []]
        assert isinstance(worker.ask(lookup, spelling="a third one"), NotSupported)
    finally:
        worker.close()


def test_help_is_counted_by_backend():
    """Each help line counts once for each result, and passed results are counted separately."""
    other = case("embedding/lookup/other")
    lines = [
        case(),
        other,
        result("acme", helped=("cuts rows", "cuts rows")),
        result("acme", "failed", other, kind="wrong-value", helped=["cuts rows", HOSTILE]),
        result("plain", helped=17),
    ]
    counted = helped(merge([run(lines, ["acme", "plain"])]))
    assert counted.keys() == {"acme"}
    assert counted["acme"][0] == Help("cuts rows", 2, 1)
    assert (counted["acme"][1].results, counted["acme"][1].passes) == (1, 0)


def test_the_page_says_what_an_adapter_sets_and_does():
    """The page shows a backend's settings and help, with markup escaped."""
    settings = {"wide": f"True {HOSTILE}"}
    lines = [case(), result("acme", helped=("cuts rows", HOSTILE))]
    text = render_html([run(lines, [info("acme", settings=settings)])])
    assert "<li>cuts rows: 1 of 1 results passed</li>" in text
    assert "set: <code>wide</code> to <bdi>True" in text
    assert "<script>document.title" not in text

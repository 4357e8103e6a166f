"""A departure is blamed on the first stage that shows it, and unknown stages are named."""

from __future__ import annotations

import io
from typing import Any

import pytest
from report_payload import results_of
from report_runs import case, info, result, run
from rich.console import Console

from embcheck.conformance.records.run import Run
from embcheck.reports.departures import departures
from embcheck.reports.merge import merge
from embcheck.reports.page.html import render_html
from embcheck.reports.stages import Stages
from embcheck.reports.terminal.summary import print_conformance

CHAIN = ("source", "export", "runtime")


def chain(*names: str, **more: str) -> list[dict[str, Any]]:
    """Describe backends, each made from the one before it."""
    before = (None, *names)
    return [
        info(name, made_from=more.get(name, made))
        for name, made in zip(names, before, strict=False)
    ]


def failed(backend: str, kind: str = "wrong-value", **more: Any) -> Any:
    """Make a result that departs."""
    return result(backend, "failed", kind=kind, **more)


def blame(made: Run, backend: str = "runtime") -> str:
    """Return where a backend's departure was first seen."""
    merged = merge([made])
    (finding,) = (found for found in merged.findings if found.backend == backend)
    found = Stages(merged).blame(finding)
    return "" if found is None else str(found)


@pytest.mark.parametrize(
    ("source", "export", "said"),
    [
        (failed("source"), failed("export"), "first in source (source)"),
        (result("source"), failed("export"), "first in export"),
        (result("source"), result("export"), "first here"),
        (failed("source"), result("export"), "first here"),
        (failed("source"), result("export", "unsupported"), "first in source (source)"),
        (
            result("source", "unsupported"),
            failed("export"),
            "first in export, as far as is known: run source beside it to know",
        ),
        (
            result("source", "crashed"),
            result("export", "not-run"),
            "first here, as far as is known: run export, source beside it to know",
        ),
        (failed("source", "rejected-valid"), result("export"), "first here"),
    ],
)
def test_the_first_stage_that_shows_it_is_named(source: Any, export: Any, said: str) -> None:
    """The first departing stage is named, back to one that did right; unknown ones are skipped."""
    made = run([case(), source, export, failed("runtime")], chain(*CHAIN))
    assert blame(made) == said


def test_a_known_deviation_is_blamed_too() -> None:
    """A known deviation counts as a departure in every stage."""
    known = {"deviation": {"happens": "wrong-value", "reason": "so"}}
    lines = [
        result(name, "deviated", kind="wrong-value", **known) for name in ("export", "runtime")
    ]
    assert blame(run([case(), result("source"), *lines], chain(*CHAIN))) == "first in export"


def test_equal_values_are_the_same_departure_whatever_it_is_called() -> None:
    """Equal values are the same departure, even if their kinds differ."""
    seen = {"observed": {"output": {"dtype": "float32", "shape": [1], "values": [7.0]}}}
    lines = [failed("source", "accepted-invalid", **seen), failed("runtime", **seen)]
    backends = chain("source", "runtime")
    assert blame(run([case(), *lines], backends)) == "first in source (source)"
    other = failed("source", "accepted-invalid")
    assert blame(run([case(), other, lines[1]], backends)).endswith("run source beside it to know")


def test_a_source_says_that_it_is_one_only_of_its_own_chain() -> None:
    """A backend that is made from no other has no blame."""
    made = run([case(), failed("source")], chain("source"))
    assert blame(made, "source") == ""
    assert departures(merge([made]))[0].blame == ""


def test_a_stage_that_was_not_run_is_named_as_unknown() -> None:
    """A stage that was not run is named as unknown."""
    made = run(
        [case(), failed("source"), failed("runtime")], [*chain("source"), *chain(*CHAIN)[2:]]
    )
    assert blame(made) == "first here, as far as is known: run export beside it to know"


def test_a_name_that_nobody_has_is_unknown() -> None:
    """A `made_from` that names no backend counts as a stage that was not run."""
    made = run([case(), failed("runtime")], [info("runtime", made_from="exprot")])
    assert blame(made) == "first here, as far as is known: run exprot beside it to know"


def test_an_unavailable_stage_is_unknown() -> None:
    """A stage that is unavailable is unknown."""
    backends = [{"id": "export", "unavailable": "no"}, *chain(*CHAIN)[2:]]
    made = run([case(), failed("runtime")], backends)
    assert blame(made) == "first here, as far as is known: run export beside it to know"


@pytest.mark.parametrize("made_from", ["runtime", "export"])
def test_a_circle_is_cut(made_from: str) -> None:
    """If backends are made from each other, the search ends, and the source is unknown."""
    backends = [info("export", made_from=made_from), info("runtime", made_from="export")]
    made = run([case(), failed("export"), failed("runtime")], backends)
    said = "first in export, as far as is known: run what export is made from beside it to know"
    assert blame(made) == said


def test_a_stage_under_a_label_is_found_unless_there_are_two() -> None:
    """A stage is found by its adapter under any label, unless two labels have that adapter."""
    labelled = [info("old", adapter="source"), *chain("source", "runtime")[1:]]
    made = run([case(), failed("old"), failed("runtime")], labelled)
    assert blame(made) == "first in source (source)"
    two = [info("older", adapter="source"), *labelled]
    made = run([case(), failed("old"), failed("older"), failed("runtime")], two)
    assert blame(made) == "first here, as far as is known: run source beside it to know"


def _runs() -> Run:
    cases = [case(f"embedding/lookup/{number}") for number in range(3)]
    lines = [failed("source", of=cases[0]), *(result("source", of=of) for of in cases[1:])]
    lines += [failed("runtime", of=of) for of in cases]
    return run([*cases, *lines], chain("source", "runtime"))


def test_the_report_shows_it() -> None:
    """The report shows the stage for top departures, for each case, and in the list."""
    page = render_html([_runs()])
    tallied = "2 first here; 1 first in source (source)"
    assert f"Seen <bdi>{tallied}</bdi>" in page
    assert page.count("<td><bdi>first here</bdi></td>") == 2
    assert "continues <bdi>source</bdi>" in page
    stages = [finding["stage"] for finding in results_of(page) if finding["stage"]]
    assert sorted(stages) == ["first here", "first here", "first in source (source)"]


def test_the_terminal_says_it_in_a_line_of_its_own() -> None:
    """The terminal has a line of stages for each backend made from another."""
    file = io.StringIO()
    print_conformance([_runs()], Console(file=file, width=80))
    lines = [line for line in file.getvalue().splitlines() if "first" in line]
    assert lines == ["runtime: 3 departures, 2 first here; 1 first in source (source)"]

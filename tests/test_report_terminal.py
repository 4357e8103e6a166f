"""The terminal summary and `embcheck report`: what they print, how wide, and how safely."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from report_runs import (
    HOSTILE,
    case,
    every_outcome,
    header,
    info,
    left_open,
    reads,
    result,
    run,
    timing,
    write_run,
)
from rich.console import Console

from embcheck.cli.report import report
from embcheck.conformance.documentation.version import TORCH
from embcheck.conformance.records.details import Rates, Shares, TimingDetails
from embcheck.conformance.records.run import Run
from embcheck.conformance.suite.load import suite_root
from embcheck.reports.terminal.summary import print_conformance, print_timings


def _printed(runs: list[Run], terminal: bool = False) -> str:
    file = io.StringIO()
    colors = "standard" if terminal else None
    console = Console(file=file, width=80, force_terminal=terminal, color_system=colors)
    print_conformance(runs, console)
    print_timings(runs, console)
    return file.getvalue()


def _row(text: str, backend: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(backend))


def test_a_backend_is_one_row_with_its_two_scores() -> None:
    """A backend's row has its two scores, then silent, loud, died and unsupported counts."""
    text = _printed([every_outcome()])
    assert _row(text, "acme") == ["acme", "1/8", "0/1", "3", "1", "2", "1"]
    assert "acme: 1 errored" in text
    assert "1 of 6 departures are known" in " ".join(text.split())


def test_what_is_stale_is_named() -> None:
    """Stale cases are named with the entry that no longer holds, five at most."""
    cases = [case(f"a/b/c{number}") for number in range(7)]
    said = "known to be wrong-value (r), but it passes: remove the entry"
    lines = [*cases, *(result("acme", "stale", of=one, message=said) for one in cases)]
    text = " ".join(_printed([run(lines, ["acme"])]).split())
    assert f"stale: acme a/b/c0: {said}" in text
    assert text.count("stale: acme") == 5
    assert "stale: 2 more cases" in text


def test_what_no_bound_could_judge_is_counted_apart() -> None:
    """A scored case that was merely observed is counted as not judged."""
    lines = [case(), result("acme", "observed", bound_width=0.5), case("a/b/c"), left_open("d/e/f")]
    lines += [result("acme", of=lines[2]), reads("acme", "zeros", lines[3])]
    text = _printed([run(lines, ["acme"])])
    assert _row(text, "acme")[1] == "1/1"
    assert "acme: 1 not judged" in text
    assert "observed: 1 undefined behaviour" in text


def test_what_is_not_scored_is_a_dash() -> None:
    """A score without cases is a dash."""
    text = _printed([run([case(), result("acme", "unsupported")], ["acme"])])
    assert _row(text, "acme") == ["acme", "-", "-", "-", "-", "-", "1"]


def test_silent_departures_come_first_and_a_long_list_is_cut() -> None:
    """Departures are grouped by behaviour and backend, silent ones first, and the list is cut."""
    cases = [case(f"embedding/file{number}/a") for number in range(20)]
    silent = result("acme", "failed", case("embedding/quiet/a"), kind="wrong-value")
    loud = [result("acme", "failed", of, kind="rejected-valid") for of in cases]
    text = _printed([run([*cases, case("embedding/quiet/a"), *loud, silent], ["acme"])])
    assert text.index("Failed silently:") < text.index("Failed loudly:")
    assert "... and 6 more in the report" in text
    assert text.count("rejected-valid") == 14


def _known(kind: str = "wrong-value", category: str = "by-design") -> dict[str, Any]:
    return {"happens": kind, "category": category, "reason": "it is so"}


def test_known_and_new_departures_never_share_a_line() -> None:
    """New, changed and known departures of one behaviour are separate, in this order."""
    cases = [case(f"embedding/file/{number}") for number in range(6)]
    kind: dict[str, Any] = {"kind": "wrong-value"}
    lines = [
        *(result("acme", "deviated", of, deviation=_known(), **kind) for of in cases[:3]),
        *(result("acme", "failed", of, deviation=_known("crashed"), **kind) for of in cases[3:5]),
        result("acme", "failed", cases[5], **kind),
    ]
    text = _printed([run([*cases, *lines], ["acme"])])
    shown = [line.strip() for line in text.splitlines() if "ailed" in line or "x acme" in line]
    assert shown == [
        "Failed silently:",
        "1x acme embedding/file wrong-value",
        "Failed silently, otherwise than known:",
        "2x acme embedding/file wrong-value",
        "Failed silently, as known (by-design):",
        "3x acme embedding/file wrong-value",
    ]
    said = " ".join(text.split())
    assert "3 of 6 departures are known and explained" in said
    assert "2 changed: they depart otherwise than is known" in said


def test_known_departures_are_told_apart_by_whose_they_are() -> None:
    """Known departures are separated by category."""
    categories = ("environment", "by-design", "composition", "bug", HOSTILE)
    cases = [case(f"embedding/file/{number}") for number in range(10)]
    lines = [
        result("acme", "deviated", of, kind="wrong-value", deviation=_known(category=category))
        for of, category in zip(cases, (*categories, *categories), strict=True)
    ]
    text = _printed([run([*cases, *lines], ["acme"])])
    assert [line for line in text.splitlines() if line.startswith("Failed")] == [
        "Failed silently, as known (bug):",
        "Failed silently, as known (by-design):",
        "Failed silently, as known (composition):",
        "Failed silently, as known (environment):",
        "Failed silently, as known:",
    ]
    assert text.count("2x acme embedding/file wrong-value") == 5
    said = "10 of 10 departures are known and explained: "
    assert f"{said}2 bug, 2 by-design, 2 composition, 2 environment" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_a_new_loud_departure_comes_before_known_silent_ones() -> None:
    """New departures come before known ones, even if they are loud."""
    cases = [case(f"embedding/file{number}/a") for number in range(20)]
    known = [result("acme", "deviated", of, kind="wrong-value", deviation=_known()) for of in cases]
    loud = case("embedding/loud/a")
    new = result("acme", "failed", loud, kind="rejected-valid")
    text = _printed([run([*cases, loud, *known, new], ["acme"])])
    assert text.index("Failed loudly:") < text.index("Failed silently, as known (by-design):")
    assert "embedding/loud" in text


def test_threads_that_were_not_given_are_told() -> None:
    """A backend with another number of threads than asked for is named."""
    line = "acme: threads: asked for 4, and the library says 2"
    for had in (2, 4):
        made = run([case(), result("acme")], [info("acme", threads=had)], settings={"threads": 4})
        assert (line in _printed([made])) is (had == 2)


def test_observed_cases_make_one_line() -> None:
    """Observed cases are one line, with how many differ from PyTorch's reading."""
    cases = [left_open(f"embedding/open/{n}", pytorch="raises" if n else None) for n in range(3)]
    lines = [
        reads("acme", word, of) for word, of in zip(["NaN", "NaN", "raises"], cases, strict=True)
    ]
    lines += [reads("other", "raises", of) for of in cases]
    text = _printed([run([*cases, *lines], ["acme", "other"])])
    assert "observed: 3 undefined behaviours; readings differ from PyTorch's in 1\n" in text
    assert "observed" not in _printed([run([case(), result("acme")], ["acme"])])


def test_a_part_of_the_suite_is_named() -> None:
    """A run of selected cases names the selection, with control characters escaped."""
    chosen = header(["acme"], settings={"selection": f"-k {HOSTILE}"})
    printed = _printed([replace(run([case(), result("acme")], ["acme"]), header=chosen)])
    assert "acme: only a part was run: -k" in printed
    assert "\x1b" not in printed
    assert "only a part" not in _printed([run([case(), result("acme")], ["acme"])])


def test_a_partial_run_is_shouted() -> None:
    """A partial run is announced in capitals."""
    cut = run([case(), result("acme")], ["acme"], ended=False)
    assert "PARTIAL" in _printed([cut])
    assert "PARTIAL" not in _printed([run([case(), result("acme")], ["acme"])])


def test_an_unavailable_backend_is_named_with_its_reason() -> None:
    """An unavailable backend is named with the reason."""
    gone = {"id": "gone", "unavailable": "no device"}
    made = run([case(), result("acme")], ["acme", gone])
    assert "unavailable: gone: no device" in _printed([made])


def test_the_contracts_torch_is_that_of_its_documentation() -> None:
    """The contract's version of PyTorch is that of all files of sentences."""
    texts = [path.read_text() for path in (suite_root() / "documentation").glob("*.yaml")]
    said = {
        found[1] for text in texts if (found := re.search(r"^torch: (.+)$", text, re.MULTILINE))
    }
    assert said == {TORCH}


def test_another_torch_than_the_contracts_is_named() -> None:
    """Each other version of PyTorch is named in one line; a local part such as +cpu is ignored."""
    versions = {"old": "2.12.1+cpu", "older": "2.12.1+cpu", "same": "2.13.0+cpu"}
    infos = [info(name, library="torch", version=each) for name, each in versions.items()]
    text = _printed([run([case(), *(result(name) for name in versions)], [*infos, "acme"])])
    said = [line for line in text.splitlines() if "the contract is of" in line]
    assert said == ["the contract is of PyTorch 2.13.0; old, older run 2.12.1+cpu"]


def test_a_cell_in_which_nothing_was_timed_has_no_table() -> None:
    """A cell in which nothing was timed is one line with the reason."""
    why = "missing data: no safetensors"
    lines = [timing(name, "NOT TIMED", message=why) for name in ("ref", "acme", "beta")]
    text = _printed([run(lines, ["ref", "acme", "beta"], purpose="timing")])
    assert sum(line.endswith(": not timed") for line in text.splitlines()) == 1
    assert "verdict" not in text
    assert text.count(why) == 1


def test_timings_have_interval_and_verdict() -> None:
    """A timing's row has the ratio, its interval, the first call and the verdict."""
    lines = [timing("ref", role="reference"), timing("acme", "NOT TIMED", message="wrong answer")]
    text = _printed([run(lines, ["ref", "acme"], purpose="timing")])
    assert "t1-one-token, hot, 1 thread" in text
    assert _row(text, "ref") == [
        "ref",
        "(baseline)",
        "83.4",
        "1.00",
        "0.99-1.01",
        "1.2",
        "ms",
        "SAME",
    ]
    assert "acme: wrong answer" in text


def test_the_figures_of_some_timings_stand_below_the_table() -> None:
    """Break-even calls and flags are printed below the table, if there are any."""
    lines = [
        timing("ref", role="reference"),
        timing("a-compiler-with-a-long-name", "FASTER", break_even_calls=1234.2, ratio=0.5),
        timing("another-one", flags=("a/a", "pressure")),
    ]
    text = _printed([run(lines, ["ref"], purpose="timing")])
    assert "after: a-compiler-with-a-long-name 1,235 calls" in " ".join(text.split())
    assert "flagged: a/a, pressure" in text
    assert max(map(len, text.splitlines())) <= 80
    plain = _printed([run([timing("acme")], ["acme"], purpose="timing")])
    for word in ("flagged", "preparation", "gather"):
        assert word not in plain


def test_it_fits_eighty_columns_and_is_plain_ascii() -> None:
    """Tables fit 80 columns, and without a terminal all output is ASCII."""
    long_name = "a-library-with-a-rather-long-name-on-some-device@cuda"
    lines = [*every_outcome(long_name).results, timing("é" * 40)]
    made = run([*every_outcome().cases.values(), *lines], [long_name, "é" * 40])
    text = _printed([made])
    assert text.isascii()
    sentences = (f"{long_name}: 1 errored", "\\xe9" * 40 + ": 11 not run")
    tables = [line for line in text.splitlines() if not line.startswith(sentences)]
    assert max(len(line) for line in tables) <= 80, max(tables, key=len)


@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_text_stays_text(terminal: bool) -> None:
    """Markup and control characters from a backend are escaped."""
    of = case(f"embedding/{HOSTILE}/a", behaviour=HOSTILE)
    failed = result(HOSTILE, "failed", of, kind=HOSTILE, message=HOSTILE)
    hostile = {"flags": (HOSTILE,), "break_even_calls": HOSTILE}
    hostile["details"] = TimingDetails(rates=Rates(*[HOSTILE] * 4), shares=Shares(*[HOSTILE] * 6))
    nothing = timing(HOSTILE, "NOT TIMED", message=HOSTILE, workload=HOSTILE, **hostile)
    gone = {"id": "gone" + HOSTILE, "unavailable": HOSTILE}
    text = _printed([run([of, failed, nothing], [HOSTILE, gone])], terminal)
    assert "\x1b[31m\"'" not in text
    assert "\u202e" not in text
    assert "[bold]" in text.replace("\n", "")
    assert "\\x1b" in text


def test_the_command_writes_the_report_and_names_it_last(tmp_path: Path) -> None:
    """Several folders make one report, whose path is the last line printed."""
    first = write_run(tmp_path / "a", every_outcome())
    second = write_run(tmp_path / "b", run([timing("acme")], ["acme"], purpose="timing"))
    path = tmp_path / "report.html"
    done = CliRunner().invoke(report, [str(first), str(second), "--html", str(path)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == str(path)
    assert "t1-one-token" in path.read_text("utf-8")
    quiet = CliRunner().invoke(report, [str(first), "--html", str(path), "--quiet"])
    assert quiet.output == f"{path}\n"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "name a folder that a run wrote"), ("{}\n", "not a line")]
)
def test_a_folder_without_a_run_is_a_usage_error(
    tmp_path: Path, content: str | None, said: str
) -> None:
    """A folder without a readable run is a usage error without a report."""
    if content is not None:
        (tmp_path / "results.jsonl").write_text(content, "utf-8")
    path = tmp_path / "report.html"
    done = CliRunner().invoke(report, [str(tmp_path), "--html", str(path)])
    assert done.exit_code == 2
    assert said in done.stderr
    assert not done.stdout
    assert not path.exists()


def test_a_report_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    """A path that cannot be written to is a usage error."""
    folder = write_run(tmp_path / "a", Run(header(["acme"])))
    (tmp_path / "file").write_text("", "utf-8")
    done = CliRunner().invoke(report, [str(folder), "--html", str(tmp_path / "file" / "r.html")])
    assert done.exit_code == 2
    assert "cannot write" in done.stderr


def test_help_imports_neither_pandas_nor_jinja() -> None:
    """`embcheck report --help` imports no slow library."""
    script = (
        "import sys; from embcheck.cli.report import report;"
        "report(['--help'], standalone_mode=False);"
        "sys.exit(bool({'pandas', 'jinja2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0
    assert b"--html" in done.stdout

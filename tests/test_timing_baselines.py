"""Any backend of a run can be the baseline, computed from the recorded rounds."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from browser import chromium, find, report_opener
from click.testing import CliRunner
from rich.console import Console
from timing_simulation import arm_record

from embcheck.cli.timings import timings as command
from embcheck.conformance.records.details import Lost
from embcheck.conformance.records.lines import RoundsLine, RunFooter, RunHeader
from embcheck.conformance.records.run import RecordError, Run
from embcheck.conformance.records.writer import RunWriter
from embcheck.conformance.timing.runs.session import choose_baseline, with_baseline
from embcheck.conformance.timing.verdicts.baseline import against, baselines
from embcheck.conformance.timing.verdicts.measurements import measurements
from embcheck.reports.baselines import known_baselines, pairs, rebased, turned
from embcheck.reports.page.html import render_html
from embcheck.reports.terminal.summary import print_timings, ratio_text

COSTS = {"torch-eager": 1.0, "quick": 0.5, "slow": 3.0}
INPUTS = {"lookups": 100, "bags": None, "table": [9, 4, "float32"], "table_bytes": 144}
INPUTS |= {"last_level_cache_bytes": 1000, "touched_bytes": 96, "trace_sha256": ["0"]}


def _line(workload, generation, without=()):
    """Return rounds in which each backend takes its cost, with a noise below one per cent."""
    random = np.random.default_rng([generation, len(workload)])
    roles = dict.fromkeys(COSTS, "candidate") | {"torch-eager": "reference"}
    arms = {
        f"{name} ({role})": arm_record(
            name, role, gate={}, clock={"timer_seconds": 1e-7, "loop_seconds": 1e-8}
        )
        for name, role in [*roles.items(), ("torch-eager", "a/a"), ("np.take", "sentinel")]
        if name not in without
    }
    rounds = []
    for _ in range(6):
        blocks = {
            key: [
                [
                    0.004 * COSTS.get(arm.backend, 0.2) * np.exp(random.normal(0, 0.003)),
                    0,
                    0,
                    0,
                    0,
                    0,
                ]
                for _ in range(2)
            ]
            for key, arm in arms.items()
        }
        rounds.append({"order": list(arms), "blocks": blocks, "noise": {}})
    lost = tuple(Lost("candidate", name, "it died", 1) for name in without)
    return RoundsLine(
        workload, "hot", 1, generation, "torch-eager", INPUTS, arms, tuple(rounds), lost
    )


@pytest.fixture(scope="module")
def run():
    """Return a finished run of two cells; one backend was lost in the second cell."""
    backends = tuple({"id": name, "library": name, "version": "1"} for name in COSTS)
    header = RunHeader(
        "timing", "2026-01-01T00:00:00+00:00", "0.1.0", "", {}, backends, 10, {"generations": 3}
    )
    found = Run(header)
    for workload, without in (("R1", ()), ("T22", ("slow",))):
        found.rounds += [_line(workload, number, without) for number in range(3)]
    found.measurements = measurements(found.rounds, list(COSTS), 3)
    found.footer = RunFooter("2026-01-01T00:00:01+00:00", 1.0, 0, {})
    return found


def _ratios(lines, workload="R1"):
    return {(line.backend, line.role): line for line in lines if line.workload == workload}


def test_the_baseline_is_pytorch_or_what_is_wanted():
    """The baseline is torch-eager if it takes part, else the first; a chosen one is added."""
    assert choose_baseline(["numpy-reference", "torch-eager"]) == "torch-eager"
    assert choose_baseline(["jax-take", "numpy-reference"]) == "jax-take"
    assert choose_baseline(["torch-eager", "jax-take"], "jax-take") == "jax-take"
    names = ["numpy-reference", "torch-eager"]
    assert with_baseline([names[0], names[0]], names[1]) == names
    assert with_baseline(names, names[1]) == names


def test_without_another_baseline_nothing_changes(run):
    """With the run's own baseline, the computed measurements are the recorded ones."""
    assert against(run) == run.measurements == against(run, "torch-eager")


def test_every_pair_has_its_ratio(run):
    """Two backends as each other's baseline have inverse ratios and verdicts."""
    assert baselines(run) == ["torch-eager", "quick", "slow"]
    lines = _ratios(against(run, "quick"))
    assert lines["quick", "reference"].ratio == 1.0
    assert lines["torch-eager", "candidate"].ratio == pytest.approx(2, rel=0.01)
    assert lines["slow", "candidate"].ratio == pytest.approx(6, rel=0.01)
    assert {lines[name, "candidate"].verdict for name in ("torch-eager", "slow")} == {"SLOWER"}
    back = _ratios(against(run, "slow"))["quick", "candidate"]
    assert back.verdict == "FASTER"
    assert back.ratio == pytest.approx(1 / lines["slow", "candidate"].ratio)
    assert back.ratio_low == pytest.approx(1 / lines["slow", "candidate"].ratio_high, rel=1e-3)


def test_the_repeat_stays_what_was_timed(run):
    """The A/A row stays that of the run's own baseline, whichever baseline is chosen."""
    own, other = (_ratios(against(run, name))["torch-eager", "a/a"] for name in (None, "slow"))
    assert (own.ratio, own.ratio_low) == (other.ratio, other.ratio_low)
    assert own.ratio == pytest.approx(1, abs=0.01)


def test_a_cell_without_the_baseline_has_no_ratios(run):
    """A cell in which the baseline was lost has no ratios, and says so."""
    lines = _ratios(against(run, "slow"), "T22")
    assert lines["quick", "candidate"].ratio is None
    assert lines["quick", "candidate"].verdict == "INCONCLUSIVE"
    assert "no ratio: the baseline slow was lost: it died" in lines["quick", "candidate"].message
    assert lines["slow", "reference"].verdict == "NOT TIMED"


def test_what_cannot_be_the_baseline_is_told(run):
    """A backend that was not timed, and invalid rounds, are refused with a RecordError."""
    with pytest.raises(RecordError, match="'nosuch' was not timed; timed were: torch-eager, quick"):
        against(run, "nosuch")
    with pytest.raises(RecordError, match="it holds no rounds"):
        against(Run(run.header), "quick")
    bad = Run(run.header)
    bad.rounds = [replace(run.rounds[0], rounds=({"order": [], "blocks": {}, "noise": {}},))]
    with pytest.raises(RecordError, match="cannot be measured"):
        against(bad, "quick")
    assert turned([bad]) == {}


def _write(run, folder):
    writer = RunWriter(folder, run.header)
    writer.write(*run.rounds, *run.measurements)
    writer.finish(0)
    writer.close()


def test_the_command_shows_any_baseline(tmp_path, run):
    """The command's table, pairs and JSON have the same ratios to a chosen baseline."""
    _write(run, tmp_path)
    call = lambda *words: CliRunner().invoke(command, [str(tmp_path), *words])  # noqa: E731
    text = call("--baseline", "quick").stdout
    assert "quick (baseline)" in text
    assert max(map(len, text.splitlines())) <= 80
    cells = json.loads(call("--baseline", "quick", "--workload", "R1", "--json").stdout)
    assert [(cell["workload"], cell["baseline"]) for cell in cells] == [("R1", "quick")]
    rows = {(row["backend"], row["role"]): row for row in cells[0]["rows"]}
    expected = _ratios(against(run, "quick"))["slow", "candidate"]
    assert rows["slow", "candidate"]["ratio"] == expected.ratio
    assert rows["slow", "candidate"]["verdict"] == "SLOWER"
    assert ratio_text(expected.ratio) in text
    listed = json.loads(call("--pairs", "--json").stdout)
    assert len(listed) == 3 + 3
    assert "against" in call("--pairs").stdout
    for words, said in (
        (("--baseline", "x"), "'x' was not timed; timed were: torch-eager, quick, slow"),
        (("--workload", "x"), "'x' was not timed; timed were: R1, T22"),
        (("--pairs", "--baseline", "quick"), "leave --baseline out"),
    ):
        done = call(*words)
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_runs_of_several_baselines_are_told_apart(run):
    """Rows of one cell with ratios to different baselines name them."""
    other = rebased([run], "quick")[0]
    later = replace(run.header, started="2026-01-02T00:00:00+00:00")
    other.header = later
    other.measurements = [line for line in other.measurements if line.backend != "slow"]
    screen = io.StringIO()
    print_timings([run, other], Console(file=screen, width=80))
    assert "ratios to torch-eager: slow" in screen.getvalue()
    assert "ratios to quick: torch-eager" in screen.getvalue()
    assert known_baselines([run, other]) == list(COSTS)
    assert {(pair.backend, pair.baseline) for pair in pairs([run])} == {
        ("quick", "torch-eager"), ("slow", "torch-eager"), ("slow", "quick"),
    }  # fmt: skip


@pytest.mark.browser
def test_the_page_shows_what_the_terminal_shows(tmp_path, run):
    """For each baseline, the page's ratios, intervals and verdicts are the command's."""
    with chromium(tmp_path / "profile") as window, report_opener(window, tmp_path) as show:
        from selenium.webdriver.support.ui import Select  # noqa: PLC0415  (optional)

        show([run])
        choice = Select(find(window, "#baseline")[0])
        for name in (*COSTS, "as it was timed"):
            choice.select_by_visible_text(name)
            lines = against(run, None if name not in COSTS else name)
            shown = [
                tuple(row.find_element("css selector", place).text for place in _PLACES)
                for row in find(window, ".timings tr.timing")
            ]
            assert shown == [_told(line) for line in lines]


_PLACES = (".ratio", "span.interval", ".chip")


def _told(line):
    if line.ratio is None:
        return "-", "", line.verdict
    interval = f"{line.ratio_low:.3g} to {line.ratio_high:.3g}"
    return f"{line.ratio:.3g}", interval, line.verdict


def test_a_page_of_one_backend_has_no_choice(run):
    """A page without rounds has no choice of baselines."""
    assert 'id="baseline"' in render_html([run])
    plain = Run(run.header)
    plain.measurements = run.measurements
    assert 'id="baseline"' not in render_html([plain])

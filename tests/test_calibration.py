"""The summary of calibration trials, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from calibration import __main__ as session
from calibration import quick, summary
from click.testing import CliRunner
from report_evidence import calibration_data, evidence, write_evidence
from report_runs import run, timing, write_run

from embcheck.cli.report import report
from embcheck.reports.evidence import Document
from embcheck.reports.page.calibration import calibration, markdown
from embcheck.reports.page.html import render_html

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- calibration -->\n", "<!-- end of calibration -->"


def trial(number, state="hot", extra=(0.05, 0.10), noise=0.002):
    """Make a trial with known differences between its arms."""
    random = np.random.default_rng(number)
    arms = {"a": 0.0, "a2": 0.0, "a3": 0.0, "a4": 0.0, "five": extra[0], "ten": extra[1]}

    def times(share, shape):
        return (1e-4 * (1 + share) * np.exp(random.normal(0, noise, shape))).tolist()

    generations = [
        {
            "rounds": {name: times(share, (12, 2)) for name, share in arms.items()},
            "sequential": {name: times(share, 8) for name, share in arms.items()},
            "flagged": 1,
        }
        for _ in range(3)
    ]
    return {"state": state, "trial": number, "seconds": 1.0, "generations": generations}


def _summary(trials):
    return summary.summarise(trials, summary.Effort())


def test_planted_differences_are_counted():
    """Each method compares each arm, and ours finds clear differences with the right sign."""
    data = _summary([trial(number, state) for number in range(8) for state in ("hot", "dram")])
    ours = data["methods"][-1]
    assert ours["ours"]
    found = {(cell["state"], cell["planted_percent"]): cell for cell in ours["cells"]}
    assert found["hot", 10]["slower"] == found["hot", 10]["comparisons"] == 8
    assert found["hot", 0]["comparisons"] == 48
    assert found["hot", 0]["slower"] == found["hot", 0]["faster"] == 0
    assert data["trials"][0]["median_rounds"] == 36
    assert data["trials"][0]["flagged_share"] == pytest.approx(3 / 36, abs=1e-3)
    met = {target["what"]: target["met"] for target in data["targets"]}
    assert met["10 % more, hot, found"] is True


def test_missed_targets_are_said():
    """Targets that were missed are shown as missed; those without measurements as unknown."""
    data = _summary([trial(number, extra=(0, 0)) for number in range(4)])
    met = {target["what"]: target["met"] for target in data["targets"]}
    assert met["10 % more, hot, found"] is False
    assert met["10 % more, DRAM, found"] is None
    assert "**missed**" in markdown(data)


def test_the_summary_has_the_published_form(tmp_path):
    """A summary that was written beside a run is accepted by `embcheck report`."""
    folder = write_run(tmp_path / "run", run([timing("acme")], ["acme"]))
    data = _summary([trial(number) for number in range(2)])
    write_evidence(folder, "calibration", json.loads(json.dumps(data)))
    done = CliRunner().invoke(report, [str(folder), "--html", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    assert "How often timings are wrong" in (tmp_path / "r.html").read_text("utf-8")


def test_a_report_shows_shares_and_targets():
    """The page shows each method's shares, and whether each target was met."""
    page = render_html([run([timing("acme")], ["acme"])], evidence(None, None, calibration_data()))
    assert "How often timings are wrong" in page
    assert "1.5 % of 200" in page
    assert "99.0 % of 200, 1 wrongly" in page
    assert "99.0 % (198 of 200), wanted at least 95 %: met" in page


def test_without_timings_the_calibration_is_shown_all_the_same():
    """A report without timings still shows the calibration."""
    page = render_html([run([], ["acme"])], evidence(None, None, calibration_data()))
    assert "How often timings are wrong" in page


def test_columns_are_in_order_of_difference():
    """Columns are ordered by planted difference, then hot before DRAM."""
    found = calibration(Document(calibration_data(), "here"))
    assert found.columns == (
        "same called different, hot",
        "same called different, DRAM",
        "10 % found, hot",
    )


def test_publishing_writes_the_table_of_the_page(tmp_path):
    """Publishing writes the tables into the page, and leaves the rest of it as it was."""
    page = (DOCS / "timing.md").read_text("utf-8")
    (tmp_path / "timing.md").write_text(page, "utf-8")
    session.publish(calibration_data(), tmp_path)
    written = (tmp_path / "timing.md").read_text("utf-8")
    assert json.loads((tmp_path / "calibration.json").read_text("utf-8")) == calibration_data()
    assert f"{BEGIN}{markdown(calibration_data())}\n{END}" in written
    assert (written.split(BEGIN)[0], written.split(END)[1]) == (
        page.split(BEGIN)[0],
        page.split(END)[1],
    )


def test_trials_are_taken_up_where_they_ended(tmp_path, monkeypatch):
    """A second session runs only the missing trials, and refuses those of another effort."""
    run_now = []

    def run_trial(state, number, _):
        run_now.append((state.name, number))
        return trial(number, state.name)

    monkeypatch.setattr(session, "run_trial", run_trial)
    words = ["--out", str(tmp_path), "--trials"]
    session.main([*words, "1"])
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"cut off')
    session.main([*words, "2"])
    assert run_now == [("hot", 0), ("dram", 0), ("hot", 1), ("dram", 1)]
    assert json.loads((tmp_path / "calibration.json").read_text())["trials"][0]["count"] == 2
    with pytest.raises(SystemExit, match="of another machine or effort"):
        session.main([*words, "2", "--generations", "7"])


def test_the_quick_profile_finds_what_it_should_on_a_machine_of_recorded_noise():
    """At typical noise the quick profile finds planted work, and no difference in equal work.

    It should find 10 % in half of the cells, and 20 % in 19 of 20. The noise is that of the
    published calibration, hot: rounds that vary by 6 % and processes that vary by 2 % give
    intervals as wide as those measured over 430 rounds and ten processes.
    """
    trials = [quick.simulated(number, rounds=21, spread=0.06, offset=0.02) for number in range(60)]
    counts = quick.tables(trials)
    assert counts["same"]["SLOWER"] + counts["same"]["FASTER"] == 0
    assert [line.rpartition(" ")[2] for line in quick.told(counts)][1:] == ["met"] * 3
    assert quick.quick_seconds() == 2.5


def test_the_page_on_timings_shows_the_published_calibration():
    """The table in docs/timing.md is the one generated from docs/calibration.json."""
    text = (DOCS / "timing.md").read_text("utf-8")
    _, found = text.split(BEGIN)
    found, _ = found.split(END)
    file = DOCS / "calibration.json"
    if file.exists():
        assert found == markdown(json.loads(file.read_text("utf-8"))) + "\n"
    else:
        assert "has not been measured" in found

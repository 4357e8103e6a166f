"""`embcheck bench --against RUN`: what changed is timed again, and must be slower twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console
from tiny_workload import tiny_workload

from embcheck.cli.bench import bench
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.details import Resolution, TimingDetails
from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.runs.regression import (
    Comparison,
    NotComparableTimings,
    RatioChange,
    compare_lines,
    read_baseline,
    run_against,
)
from embcheck.conformance.timing.runs.session import run_timing
from embcheck.conformance.timing.statistics.estimate import Conclusion
from embcheck.conformance.timing.workloads.load import load_workloads
from embcheck.reports.terminal.regressions import print_comparison

WORKLOAD = tiny_workload(
    "rows: 500, columns: 8, indices: 300, states: [hot], threads: [all], seconds: 0.1",
    "rows: 500, columns: 8, indices: 300, states: [hot], threads: [all], seconds: 0.1",
)
SETTINGS = TimingSettings(generations=3, block_seconds=0.0005, timeout=60.0)
BACKENDS = ["numpy-reference", "zoo-prints", "zoo-peeks"]


@pytest.fixture(scope="module")
def workloads(tmp_path_factory):
    """Return one small workload."""
    file = tmp_path_factory.mktemp("workloads") / "tiny.yaml"
    file.write_text(WORKLOAD, "utf-8")
    return list(load_workloads([file]).values())


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, workloads):
    """Return the text of the record that later runs are compared with."""
    folder = tmp_path_factory.mktemp("baseline")
    run_timing(BACKENDS, workloads, folder, SETTINGS)
    return (folder / "results.jsonl").read_text("utf-8")


def _folder(tmp_path, baseline, change):
    """Write the baseline with its lines changed; return its folder."""
    lines = [json.loads(line) for line in baseline.splitlines()]
    for line in lines:
        change(line)
    (tmp_path / "base").mkdir(exist_ok=True)
    (tmp_path / "base" / "results.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines), "utf-8"
    )
    return tmp_path / "base"


def _older(name):
    """Return a change that makes a backend of the baseline another one, and much faster."""

    def change(line):
        if line["type"] == "run":
            for info in line["backends"]:
                info["source"] = "older" if info["id"] == name else info["source"]
        if line["type"] == "measurement" and line["backend"] == name and line["role"] != "a/a":
            line.update(ratio=1e-6, ratio_low=0.9e-6, ratio_high=1.1e-6)

    return change


def test_only_what_changed_is_timed_again_and_slower_twice_fails(tmp_path, baseline, workloads):
    """Only a changed backend is timed again; if it is slower in two runs, the exit code is 1."""
    base = read_baseline(_folder(tmp_path, baseline, _older("zoo-prints")))
    found = run_against(base, BACKENDS, workloads, tmp_path / "out", SETTINGS)
    assert found.exit_code == ExitCode.DEPARTS
    assert found.unchanged == ["numpy-reference", "zoo-peeks"]
    (change,) = found.changes
    assert change.now.backend == "zoo-prints"
    assert change.is_regression
    first, second = (
        read_runs(tmp_path / folder)[0].header.settings["seed"] for folder in ("out", "out/repeat")
    )
    assert first != second


def test_nothing_is_timed_where_nothing_changed(tmp_path, baseline, workloads):
    """If nothing changed, nothing is timed and the exit code is 0."""
    base = read_baseline(_folder(tmp_path, baseline, lambda _: None))
    found = run_against(base, [*BACKENDS, "zoo-lazy"], workloads, tmp_path / "out", SETTINGS)
    assert found.exit_code == ExitCode.CONFORMS
    assert found.unchanged == BACKENDS
    assert found.left_out == {"zoo-lazy": "it is not in the earlier run"}
    assert not (tmp_path / "out").exists()


def test_a_changed_workload_is_not_compared(tmp_path, baseline, workloads):
    """A workload of other sizes is left out, with the reason."""
    base = read_baseline(_folder(tmp_path, baseline, _older("zoo-prints")))
    profile = replace(workloads[0].profiles["quick"], indices=400)
    other = replace(workloads[0], profiles={**workloads[0].profiles, "quick": profile})
    found = run_against(base, BACKENDS, [other], tmp_path / "out", SETTINGS)
    assert found.changes == ()
    assert found.left_out == {"TINY": "it is another workload now"}


def test_a_changed_reference_is_refused(tmp_path, baseline, workloads):
    """A changed reference is refused, since ratios to it are not comparable."""
    base = read_baseline(_folder(tmp_path, baseline, _older("numpy-reference")))
    with pytest.raises(NotComparableTimings, match="ratios are to numpy-reference, which changed"):
        run_against(base, BACKENDS, workloads, tmp_path / "out", SETTINGS)


def test_a_run_of_another_machine_is_refused(tmp_path, baseline):
    """A run of another machine is refused with exit code 2."""

    def change(line):
        if line["type"] == "run":
            line["environment"]["cpu"] = "Acme 9000"

    folder = _folder(tmp_path, baseline, change)
    words = ["--against", str(folder), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(bench, words)
    assert done.exit_code == ExitCode.USAGE
    assert "is of another machine (cpu: Acme 9000" in done.output
    assert not (tmp_path / "out").exists()


def test_an_interrupted_run_is_no_baseline(tmp_path, baseline):
    """A run without its end is refused."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "results.jsonl").write_text("".join(baseline.splitlines(keepends=True)[:-1]))
    with pytest.raises(NotComparableTimings, match="was interrupted"):
        read_baseline(folder)


def line(ratio, low, high, verdict="SLOWER", reference="numpy-reference", resolution=None):
    """Make the measurement of a candidate."""
    limit = None if resolution is None else Resolution(resolution, "")
    details = TimingDetails(reference=reference, resolution=limit)
    return Measurement(
        "R1", "acme", "hot", 2, 10.0, ratio, low, high, verdict, 0.1, details=details
    )


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (line(2.2, 2.16, 2.24), Conclusion.SLOWER),
        (line(2.2, 2.05, 2.3), Conclusion.INCONCLUSIVE),
        (line(2.2, 2.16, 2.24, resolution=0.2), Conclusion.INCONCLUSIVE),
        (line(2.0, 1.98, 2.02), Conclusion.SAME),
        (line(1.8, 1.78, 1.82), Conclusion.FASTER),
        (line(None, None, None, "NOT TIMED"), Conclusion.NOT_TIMED),
        (line(2.2, 2.16, 2.24, reference="torch-eager"), Conclusion.INCONCLUSIVE),
    ],
)
def test_a_change_is_one_where_both_intervals_say_so(now, verdict):
    """The interval of a change combines both intervals."""
    assert compare_lines(line(2.0, 1.98, 2.02), now).verdict == verdict


def test_once_slower_is_no_regression():
    """A backend that is slower in only one of two runs is no regression."""
    change = compare_lines(line(2.0, 1.98, 2.02), line(2.2, 2.16, 2.24))
    assert not change.is_regression
    assert not replace(change, repeated=Conclusion.INCONCLUSIVE).is_regression
    assert replace(change, repeated=Conclusion.SLOWER).is_regression


def test_the_table_fits_a_terminal(capsys):
    """Changes are printed in 80 columns, each with its verdict."""
    change = compare_lines(line(2.0, 1.98, 2.02), line(2.2, 2.16, 2.24))
    gone = RatioChange(
        change.before, line(None, None, None, "NOT TIMED"), None, None, None, Conclusion.NOT_TIMED
    )
    changes = [
        replace(change, repeated=Conclusion.SLOWER),
        replace(change, repeated=Conclusion.SAME),
        gone,
    ]
    print_comparison(Comparison(changes, ["other"], {"new": "why"}), Console(width=80))
    text = capsys.readouterr().out
    for words in ("REGRESSED", "SLOWER, then SAME", "NOT TIMED", "as before", "not compared: new"):
        assert words in text
    assert "1 timing became slower, in two runs" in text
    assert max(map(len, text.splitlines())) <= 80

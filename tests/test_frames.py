"""Finished runs as pandas frames and as files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from report_runs import HOSTILE, case, every_outcome, result, run, timing

from embcheck import reports
from embcheck.cli.main import main
from embcheck.reports.frames import OUTCOMES, TIMINGS, Loaded

README = Path(__file__).parent.parent / "README.md"
CASE = "embedding/bounds/negative[index=-1,index_dtype=int32]"


def dtypes_of(frame):
    """Return a frame's dtypes by column."""
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def test_frames_have_a_row_for_each_result_and_timing():
    """The frames have a row for each result and for each timing."""
    frame = Loaded([every_outcome()]).outcomes()
    assert len(frame) == 11
    departed = ["crashed", "loud", "silent", "silent", "silent", "timed-out"]
    assert sorted(frame.loc[frame.departs, "mark"]) == departed
    timed = Loaded([run([timing("acme")], ["acme"], purpose="timing")]).timings()
    assert timed.loc[0, "ratio_low"] == pytest.approx(0.99)


@pytest.mark.parametrize("runs", [[], [every_outcome()]])
def test_dtypes_are_those_that_are_documented(runs):
    """Columns have the documented dtypes, also in an empty frame, so that frames can be joined."""
    loaded = Loaded(runs)
    assert dtypes_of(loaded.outcomes()) == OUTCOMES
    assert dtypes_of(loaded.timings()) == TIMINGS


def test_texts_from_a_backend_show_what_they_hide():
    """Lone surrogates and control characters in messages are escaped.

    A lone surrogate would prevent a Parquet file from being written.
    """
    line = result("acme", "failed", kind="wrong-value", message=f"{HOSTILE}\ud800\x1b")
    (message,) = Loaded([run([case(), line], ["acme"])]).outcomes()["message"]
    assert "\\ud800" in message
    assert "\\x1b" in message


def test_files_have_what_the_frames_have(tmp_path):
    """`embcheck report --tables` writes the same rows as `reports.load` returns."""
    words = ["run", "-b", "zoo-wraps-negatives", "--case", CASE, "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(main, words).exit_code == 1
    done = CliRunner().invoke(
        main, ["report", str(tmp_path / "run"), "-q", "--tables", str(tmp_path / "tables")]
    )
    assert done.exit_code == 0, done.output
    frame = reports.load(tmp_path / "run").outcomes()
    assert list(frame["case"]) == [CASE]
    assert list(frame["mark"]) == ["silent"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "tables" / "outcomes.parquet"), frame)
    assert list(pd.read_csv(tmp_path / "tables" / "outcomes.csv")["case"]) == [CASE]
    assert done.output.split() == [
        str(tmp_path / "tables" / name)
        for name in ("outcomes.csv", "outcomes.parquet", "timings.csv", "timings.parquet")
    ]


def test_the_example_of_the_readme_runs(tmp_path, capsys, monkeypatch):
    """The README's example runs and counts silent failures by backend and folder."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    words = ["run", "-b", "zoo-wraps-negatives", "--case", CASE, "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(main, words).exit_code == 1
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert re.search(r"zoo-wraps-negatives +embedding +1\b", capsys.readouterr().out)


def test_a_report_is_of_something(tmp_path):
    """`embcheck report` without a page and without tables is a usage error."""
    done = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert "--html FILE, --tables DIR or both" in done.output

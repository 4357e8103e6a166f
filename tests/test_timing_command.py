"""`embcheck bench` on the command line."""

from __future__ import annotations

import subprocess
import sys

from commands import embcheck, embcheck_here

from embcheck.conformance.records.run import read_runs
from embcheck.conformance.timing.runs import curves

QUICK = ("--workload", "B1", "--seconds", "0.05", "--generations", "1")


def test_bench_prints_a_table_and_the_record(tmp_path):
    """A run prints its timings and then the record's path, and exits with 0."""
    done = embcheck("bench", "-b", "numpy-reference", *QUICK, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "numpy-reference" in done.stdout
    assert done.stdout.splitlines()[-1] == str(tmp_path / "results.jsonl")
    (run,) = read_runs(tmp_path)
    assert [line.role for line in run.measurements] == ["reference", "a/a", "sentinel"]


def test_an_unknown_backend_is_a_usage_error(tmp_path):
    """An unknown backend is a usage error."""
    done = embcheck_here("bench", "-b", "no-such", *QUICK, "--out", tmp_path)
    assert done.returncode == 2
    assert "there is no backend 'no-such'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_workload_is_a_usage_error(tmp_path):
    """An unknown workload is a usage error that lists the known ones."""
    done = embcheck_here("bench", "-b", "numpy-reference", "--workload", "T9", "--out", tmp_path)
    assert done.returncode == 2
    assert "there is no workload 'T9'; known workloads: " in done.stderr


def test_a_curve_is_picked_by_its_id(tmp_path, monkeypatch):
    """--curve times only the points of that curve; misuse is refused."""
    files = {path.name: path for path in curves.curve_files()}
    small = tmp_path / "threads.yaml"
    text = files["threads.yaml"].read_text("utf-8")
    small.write_text(text.replace("rows: 300000", "rows: 300").replace("bags: 2048", "bags: 20"))
    assert (
        "{values: [1, 2, 4, 8, 16, 32, 64], rows: 300, columns: 64, bags: 20," in small.read_text()
    )
    files["threads.yaml"] = small
    monkeypatch.setattr(curves, "curve_files", lambda: [*files.values()])
    words = ("bench", "-b", "numpy-reference", "--out", tmp_path)
    done = embcheck_here(*words, "--curve", "ROWS")
    assert (done.returncode, "--curve needs --study curves" in done.stderr) == (2, True)
    done = embcheck_here(*words, "--study", "curves", "--curve", "ROW")
    assert (done.returncode, "there is no curve 'ROW'" in done.stderr) == (2, True)
    quick = ("--seconds", "0.05", "--generations", "1")
    done = embcheck_here(*words, "--study", "curves", "--curve", "THREADS", *quick)
    assert done.returncode == 0, done.stderr
    (run,) = read_runs(tmp_path)
    assert run.header.purpose == "curves"
    assert {line.workload.partition("=")[0] for line in run.measurements} == {"THREADS"}


def test_a_command_that_makes_no_sense_is_a_usage_error(tmp_path):
    """A run without backends or an earlier run, and --against with --resume, are usage errors."""
    done = embcheck_here("bench", "--out", tmp_path)
    assert (done.returncode, "name a backend" in done.stderr) == (2, True)
    done = embcheck_here("bench", "--against", tmp_path, "--resume", "--out", tmp_path)
    assert (done.returncode, "leave out --resume" in done.stderr) == (2, True)
    words = ("-b", "numpy-reference", "--study", "prices", "--workload", "B1")
    done = embcheck_here("bench", *words, "--out", tmp_path)
    assert (done.returncode, "B1 times training" in done.stderr) == (2, True)


def test_what_cannot_be_taken_up_is_a_usage_error(tmp_path):
    """--resume without an interrupted run is a usage error."""
    words = ("-b", "numpy-reference", *QUICK, "--out", tmp_path / "none", "--resume")
    done = embcheck_here("bench", *words)
    assert done.returncode == 2
    assert "name a folder that a run wrote" in done.stderr
    assert not (tmp_path / "none").exists()


def test_the_command_is_described_without_numpy():
    """Importing the module of `embcheck bench` imports neither NumPy nor the harness."""
    code = (
        "import sys; import embcheck.cli.bench; "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'rich', 'jsonschema')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

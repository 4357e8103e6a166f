"""The commands, their exit codes, and the files they write."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from commands import SMALL, embcheck, embcheck_here, environment

from embcheck.cli.main import main
from embcheck.conformance.execution import discovery
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.suite.load import load_spec, spec_files


def test_help_imports_no_array_library():
    """`embcheck --help` answers without importing NumPy or any other array library."""
    code = (
        "import sys; from embcheck.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'torch', 'jax', 'onnxruntime', 'scipy', 'pytest', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "run " in done.stdout


def test_a_run_does_not_wait_for_statistics(tmp_path):
    """`embcheck run` does not import SciPy, which only timings need and which takes a second."""
    words = ["run", "-b", "numpy-reference", "--specs", str(SMALL), "--out", str(tmp_path)]
    code = (
        "import sys; from embcheck.cli.main import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print('scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert (tmp_path / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-b", "numpy-reference", "--specs", SMALL], 0, ""),
        (["-b", "zoo-wrong-row", "--specs", SMALL], 1, ""),
        (["-b", "zoo-segfaults", "--specs", SMALL], 1, ""),
        (["-b", "zoo-refuses-everything", "--specs", SMALL], 1, ""),
        (["-b", "zoo-wrong-type", "--specs", SMALL], 3, ""),
        (["-b", "zoo-unavailable", "--specs", SMALL], 2, ""),
        (["-b", "zoo-dies-on-import", "--specs", SMALL], 3, ""),
        (["-b", "numpy-refrence", "--specs", SMALL], 2, "there is no backend 'numpy-refrence'"),
        (["-b", "numpy-reference", "--specs", SMALL, "-k", "nosuch"], 2, "nothing is selected"),
        (
            ["-b", "zoo-undeclared", "--specs", SMALL, "--case", "specs/small/gradient"],
            2,
            "nothing was judged: 1 of 1 results are unsupported: zoo-undeclared does not",
        ),
        (
            ["-b", "numpy-reference", "--specs", SMALL, "-k", "specs/small/lookup-again"],
            2,
            "'specs/small/lookup-again' is a case's id: --case takes ids",
        ),
        (
            ["-b", "numpy-reference", "-k", "rows[dtype=float32"],
            2,
            "has brackets: --case takes ids",
        ),
        (["-b", "numpy-reference", "-k", f"{'(' * 101}x{')' * 101}"], 2, "100 brackets at most"),
        (["-b", "numpy-reference", "-k", f"{'not ' * 250}x"], 2, "1,000 characters"),
        (
            ["-b", "numpy-reference", "--specs", SMALL, "--case", "specs/small/lookup-agan"],
            2,
            "there is no case 'specs/small/lookup-agan'; did you mean specs/small/lookup-again",
        ),
        (["-b", "numpy-reference", "--specs", SMALL, "--case", "specs/small/look*"], 0, ""),
        (
            ["-b", "numpy-reference", "--case", "torch_only/graphs/bags"],
            2,
            "'torch_only/graphs/bags' is for other backends only, not for numpy-reference",
        ),
        (["-b", "numpy-reference", "--instructions", "avx3"], 2, "Invalid value"),
        (["-b", "numpy-reference", "--specs", "/nonexistent.yaml"], 2, "does not exist"),
        (["--specs", SMALL], 2, "Missing option"),
    ],
)
def test_exit_codes(tmp_path, arguments, code, words):
    """Each way a run can end has its exit code, and mistakes are reported in a sentence."""
    done = embcheck_here("run", *arguments, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_leaves_results_and_junit(tmp_path):
    """A run writes a header, one line for each result, a footer, and a JUnit file."""
    done = embcheck(
        "run", "-b", "numpy-reference", "-b", "zoo-wraps-negatives", "--specs", SMALL,
        "--out", tmp_path, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    (run,) = read_runs(tmp_path)
    assert not run.partial
    assert len(run.results) == run.header.planned == 12
    (wrong,) = [result for result in run.results if result.outcome == "failed"]
    assert (wrong.backend, wrong.kind, wrong.silent) == (
        "zoo-wraps-negatives",
        "accepted-invalid",
        True,
    )
    assert run.clauses[wrong.clauses[0]].level == wrong.level == "domain"
    assert "<testcase" in (tmp_path / "junit.xml").read_text()


def test_one_case_of_each_clause_for_every_backend(tmp_path):
    """--quick covers all clauses but those that only ladders ask for, and says so."""
    pytest.importorskip("torch")
    done = embcheck(
        *("run", "-b", "numpy-reference", "-b", "torch-eager", "--quick"),
        *("--out", tmp_path),
        cwd=tmp_path,
    )
    assert done.returncode == 0
    assert "only a part was run: one case of each clause" in done.stdout
    (run,) = read_runs(tmp_path)
    every = [case for file in spec_files() for case in load_spec(file).cases]
    suite = [case for case in every if not case.id.startswith("sizes/") and not case.large]
    asked = {clause for case in run.cases.values() for clause in case.clauses}
    assert asked == {clause.id for case in suite for clause in case.clauses}
    assert len(run.cases) <= len(asked) < len(suite)
    few = [
        case
        for case in run.cases.values()
        if case.call["operation"] == "probe" or case.call["operation"].startswith("quantized_")
    ]
    assert len(run.results) == 2 * len(run.cases) - len(few)


def test_an_unavailable_backend_is_not_run_and_the_others_are(tmp_path):
    """An unavailable backend is `not-run` with its reason, and the other backends are run."""
    done = embcheck(
        "run", "-b", "zoo-unavailable", "-b", "numpy-reference", "--specs", SMALL,
        "--out", tmp_path, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    (run,) = read_runs(tmp_path)
    outcomes = {(result.backend, result.outcome) for result in run.results}
    assert ("zoo-unavailable", "not-run") in outcomes
    assert ("zoo-unavailable", "passed") not in outcomes
    assert ("numpy-reference", "passed") in outcomes
    assert run.header.backends[0]["unavailable"] == "the zoo has no such device"


def test_an_interruption_leaves_a_readable_partial_record(tmp_path):
    """Ctrl-C while a backend hangs leaves the results so far, marked as partial."""
    # A background job of a script ignores SIGINT, and its children inherit that.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from embcheck.cli.main import main; main()"
    arguments = ["run", "-b", "zoo-hangs", "--specs", str(SMALL), "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    record = tmp_path / "results.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if record.exists() and record.read_text().count('"type": "result"') >= 3:
            break
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in errors
    assert b"Traceback" not in errors
    (run,) = read_runs(tmp_path)
    assert run.partial
    assert [result.outcome for result in run.results] == ["passed"] * 3


def test_check_says_what_is_wrong_and_where(tmp_path):
    """`embcheck check` prints file, line and column, and exits with 2; valid specs give 0."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(SMALL.read_text().replace("EMB-LOOK-01", "EMB-NONE-01"))
    done = embcheck_here("check", bad)
    assert done.returncode == 2
    assert f"{bad}:6:13: there is no clause 'EMB-NONE-01'; " in done.stderr
    assert embcheck_here("check", SMALL).returncode == 0
    shipped = embcheck("check")
    assert shipped.returncode == 0
    assert "clauses, deviations or workloads" in shipped.stdout


def test_check_knows_clauses_and_workloads(tmp_path):
    """A file in a folder of workloads or clauses is checked against its own schema."""
    for folder, text in (("workloads", "id: X\ntitel: x\n"), ("clauses", "clause: []\n")):
        path = tmp_path / folder / "x.yaml"
        path.parent.mkdir()
        path.write_text(text)
        done = embcheck_here("check", path)
        assert done.returncode == 2
        assert "unknown key" in done.stderr


def test_backends_tells_who_is_here_and_why_not(monkeypatch):
    """`embcheck backends --json` lists each known backend with its info, or why it has none."""
    names = ("numpy-reference", "zoo-unavailable", "zoo-dies-on-import")
    known = {name: point for name, point in discovery.known_backends().items() if name in names}
    monkeypatch.setattr(discovery, "known_backends", lambda: known)
    monkeypatch.setattr("embcheck.cli.actions.backends.known_backends", lambda: known)
    done = CliRunner().invoke(main, ["backends", "--json"])
    assert done.exit_code == 0, done.output
    entries = {entry["id"]: entry for entry in json.loads(done.stdout)}
    assert set(entries) == set(names)
    assert entries["numpy-reference"]["device"] == "cpu"
    assert "gradients" in entries["numpy-reference"]["capabilities"]
    assert entries["zoo-unavailable"]["unavailable"] == "the zoo has no such device"
    assert "about to die" in entries["zoo-dies-on-import"]["broken"]

"""No figure without a right answer, computed afresh: the zoo before the clock."""

from __future__ import annotations

import json

import pytest

from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.suite.real_data import Missing
from embcheck.conformance.timing import session, traces
from embcheck.conformance.timing.cell import Settings
from embcheck.conformance.timing.session import run_timing
from embcheck.conformance.timing.workloads import load_workloads

WORKLOAD = """\
id: TINY
title: a small one
stands_for: a test
operation: embedding
observe: [output]
dtype: float32
table: {seed: 1}
trace: {seed: 2}
profiles:
  quick: {rows: 500, columns: 8, indices: 300, states: [hot], threads: [all], seconds: 0.1}
  full: {rows: 500, columns: 8, indices: 300, states: [cold], threads: [1], seconds: 0.1}
"""
TRAINING = (
    WORKLOAD.replace("operation: embedding", "operation: embedding_bag")
    .replace("[output]", "[output, grad_weight]")
    .replace("indices: 300", "bags: 40, ragged: {empty: 0.3, longest: 5}")
    .replace("dtype:", "options: {mode: sum}\ndtype:")
)
SETTINGS = Settings(block_seconds=0.0005, timeout=30.0)


def _workloads(tmp_path, *texts):
    files = []
    for number, text in enumerate(texts or (WORKLOAD,)):
        files.append(tmp_path / f"w{number}.yaml")
        files[-1].write_text(text, "utf-8")
    return list(load_workloads(files).values())


def _time(tmp_path, *backends, texts=(), settings=SETTINGS):
    workloads = _workloads(tmp_path, *texts)
    code = run_timing(["numpy-reference", *backends], workloads, tmp_path / "out", settings)
    (run,) = read_runs(tmp_path / "out")
    lines = {(line.backend, line.role): line for line in run.measurements}
    return code, run, lines


DECEIVERS = {
    "zoo-wrong-row": "the answer is wrong: output",
    "zoo-narrows-silently": "output is float16[300, 8], should be float32[300, 8]",
    "zoo-memoiser": "does not follow a changed index",
    "zoo-remembers": "after its last answer was overwritten",
    "zoo-remembers-frozen": "remembered, not computed",
    "zoo-hands-out-futures": "before its answer existed",
    "zoo-goes-stale": "the last timed answer is wrong",
    "zoo-dies-while-timed": "crashed: the process ended with exit code 7",
    "zoo-refuses-everything": "a valid call was refused: AttributeError",
}


@pytest.fixture(scope="module")
def zoo_run(tmp_path_factory):
    """One run over all backends that would deceive a clock."""
    return _time(tmp_path_factory.mktemp("zoo"), *DECEIVERS)


@pytest.mark.parametrize(("backend", "words"), DECEIVERS.items())
def test_a_backend_that_deceives_gets_no_figure(zoo_run, backend, words):
    """A wrong, remembered, late or missing answer is named instead of a number."""
    deceiver = zoo_run[2][backend, "candidate"]
    assert deceiver.verdict == "NOT TIMED"
    assert words in deceiver.message
    assert deceiver.ns_per_lookup is deceiver.ratio is None


def test_the_others_go_on(zoo_run):
    """Whatever happens to one backend, the reference and its second name are timed."""
    code, run, lines = zoo_run
    assert code == run.footer.exit_code == ExitCode.DEPARTS
    assert lines["numpy-reference", "reference"].ns_per_lookup > 0
    assert lines["numpy-reference", "a/a"].ratio > 0


def test_what_a_backend_does_not_declare_is_not_timed(tmp_path):
    """A workload beyond a backend's capabilities is NOT TIMED with the reason, and no failure."""
    code, _, lines = _time(tmp_path, "zoo-undeclared", texts=[TRAINING])
    assert code == ExitCode.CONFORMS
    assert lines["zoo-undeclared", "candidate"].verdict == "NOT TIMED"
    assert "unsupported" in lines["zoo-undeclared", "candidate"].message
    assert "gradients" in lines["zoo-undeclared", "candidate"].message
    assert lines["numpy-reference", "reference"].ratio == 1.0


def test_an_unavailable_backend_is_recorded(tmp_path):
    """A backend that cannot run here is in the header and NOT TIMED, and the exit code says so."""
    code, run, lines = _time(tmp_path, "zoo-unavailable")
    assert code == ExitCode.USAGE
    assert "unavailable" in run.header.backends[1]
    assert lines["zoo-unavailable", "candidate"].message.startswith("unavailable: ")


def test_an_adapter_that_breaks_is_a_fault_of_the_harness(tmp_path):
    """An adapter whose answers are no arrays is NOT TIMED, with the exit code for such faults."""
    code, _, lines = _time(tmp_path, "zoo-wrong-type")
    assert code == ExitCode.HARNESS
    assert lines["zoo-wrong-type", "candidate"].message.startswith("errored: ")


def test_missing_data_leaves_the_workload_untimed(tmp_path, monkeypatch):
    """Where the real table is not installed, every line says what would bring it."""

    def load(name):
        raise Missing(f"{name} is not installed: pip install it")

    monkeypatch.setattr(traces.real_data, "load", load)
    real = WORKLOAD.replace("{seed: 1}", "{real: minilm-l6-v2/word-embeddings}")
    code, run, _ = _time(tmp_path, texts=[real.replace("rows: 500, columns: 8, ", "")])
    assert code == ExitCode.CONFORMS
    assert {line.verdict for line in run.measurements} == {"NOT TIMED"}
    assert {line.message for line in run.measurements} == {
        "missing data: minilm-l6-v2/word-embeddings is not installed: pip install it"
    }


def test_a_measurement_says_what_it_rests_on(tmp_path):
    """Raw rounds, the trace's digest, the life cycle and the noise stand beside each figure."""
    _, run, lines = _time(tmp_path, "zoo-slow-first-call")
    line = lines["zoo-slow-first-call", "candidate"]
    assert line.first_call_seconds >= 0.3
    assert line.details["second_call_seconds"] < line.first_call_seconds
    assert line.ratio_low <= line.ratio <= line.ratio_high
    rounds = line.details["rounds_ns_per_call"]
    assert len(rounds) == line.details["flagged_rounds"]["of"] >= 12
    assert line.details["p50_ns"] <= line.details["p99_ns"]
    hashes = {tuple(other.details["trace_sha256"]) for other in lines.values()}
    assert len(hashes) == 1
    assert run.header.purpose == "timing"
    assert run.header.planned == len(run.measurements) == 4
    assert run.header.settings["reference"] == "numpy-reference"
    assert not run.partial


def test_an_idle_spinner_spoils_the_verdicts(tmp_path):
    """A backend that keeps a core busy while others are timed leaves the verdicts open, and why."""
    _, _, lines = _time(tmp_path, "zoo-spins-while-idle")
    line = lines["zoo-spins-while-idle", "candidate"]
    assert line.verdict == "INCONCLUSIVE"
    assert "while others were timed" in line.message


def test_cold_traces_rotate_with_one_thread(tmp_path, monkeypatch):
    """The full profile rotates eight traces over a larger table, each judged, on one core."""
    settings = Settings(profile="full", block_seconds=0.0005, timeout=30.0)
    monkeypatch.setattr(session.machine, "last_level_cache_bytes", lambda: 32_000)
    code, _, lines = _time(tmp_path, settings=settings)
    line = lines["numpy-reference", "reference"]
    assert code == ExitCode.CONFORMS
    assert (line.state, line.threads) == ("cold", 1)
    assert len(set(line.details["trace_sha256"])) == 8
    assert line.details["table_bytes"] >= 4 * 32_000
    assert line.message == ""
    assert line.details["cores_used"] < 1.2


def test_without_the_definition_the_first_backend_is_the_reference(tmp_path):
    """Ratios are taken to the first backend named where numpy-reference does not take part."""
    workloads = _workloads(tmp_path)
    run_timing(["zoo-slow-first-call", "zoo-prints"], workloads, tmp_path / "out", SETTINGS)
    (run,) = read_runs(tmp_path / "out")
    roles = [(line.backend, line.role) for line in run.measurements]
    assert roles == [
        ("zoo-slow-first-call", "reference"),
        ("zoo-prints", "candidate"),
        ("zoo-slow-first-call", "a/a"),
        ("np.take", "sentinel"),
    ]


def test_the_next_backend_stands_in_for_a_reference_that_fails(tmp_path):
    """Where the reference does not pass the gate, ratios of that cell are taken to the next."""
    workloads = _workloads(tmp_path)
    run_timing(["zoo-wrong-row", "numpy-reference"], workloads, tmp_path / "out", SETTINGS)
    (run,) = read_runs(tmp_path / "out")
    assert [line.role for line in run.measurements] == ["candidate", "reference", "a/a", "sentinel"]
    run_timing(["zoo-dies-while-timed", "zoo-prints"], workloads, tmp_path / "out2", SETTINGS)
    (run,) = read_runs(tmp_path / "out2")
    dead, other, *_ = run.measurements
    assert dead.verdict == "NOT TIMED"
    assert other.verdict in ("INCONCLUSIVE", "NOT TIMED")
    assert other.ratio is None
    assert "the reference" in other.message


def test_an_interruption_leaves_the_cells_that_are_over(tmp_path):
    """Ctrl-C in the second cell leaves the first in a readable, partial record."""
    workloads = _workloads(tmp_path, WORKLOAD, WORKLOAD.replace("id: TINY", "id: NEXT"))

    def told(cell):
        if cell.workload.id == "NEXT":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_timing(["numpy-reference"], workloads, tmp_path / "out", SETTINGS, told)
    (run,) = read_runs(tmp_path / "out")
    assert run.partial
    assert {line.workload for line in run.measurements} == {"TINY"}


def test_a_biased_run_is_rewritten(tmp_path, monkeypatch):
    """An A/A row that is SLOWER by half limits the verdicts of all other cells, in the record."""
    real = session.measurements

    def biased(timed, backends):
        lines = real(timed, backends)
        first = timed.cell.workload.id == "TINY"
        return [
            _with(line, "SLOWER", 1.5, 1.4, 1.6)
            if line.role == "a/a" and first
            else _with(line, "FASTER", 0.8, 0.79, 0.81)
            for line in lines
        ]

    monkeypatch.setattr(session, "measurements", biased)
    workloads = _workloads(tmp_path, WORKLOAD, WORKLOAD.replace("id: TINY", "id: NEXT"))
    run_timing(["numpy-reference", "zoo-prints"], workloads, tmp_path / "out", SETTINGS)
    (run,) = read_runs(tmp_path / "out")
    assert not run.partial
    limited = [line for line in run.measurements if line.workload == "NEXT"]
    (candidate,) = [line for line in limited if line.role == "candidate"]
    assert candidate.verdict == "INCONCLUSIVE"
    assert "only differences over 60% count: in TINY (hot)" in candidate.message
    raw = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["type"] for line in raw] == ["run", *["measurement"] * 8, "end"]


def _with(line, verdict, ratio, low, high):
    changed = {"verdict": verdict, "ratio": ratio, "ratio_low": low, "ratio_high": high}
    changed |= {"message": "", "details": {}}
    return line.__class__(**{**line.__dict__, **changed})

"""The gate: no backend is timed without a right answer that its calls compute."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from tiny_workload import tiny_workload

from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.operation import Operation
from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.execution.judging.bounds import bound
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.lines import to_json_data
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.suite.real_data import Missing
from embcheck.conformance.timing.clock import machine
from embcheck.conformance.timing.clock.gate import Standard
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.runs.session import CannotResume, run_timing
from embcheck.conformance.timing.verdicts import raw
from embcheck.conformance.timing.verdicts.figures import with_figures
from embcheck.conformance.timing.verdicts.measurements import measurements
from embcheck.conformance.timing.workloads import traces
from embcheck.conformance.timing.workloads.load import load_workloads
from embcheck.conformance.timing.workloads.stored import stored_call
from embcheck.reports.timings import reasons

WORKLOAD = tiny_workload(
    "rows: 500, columns: 8, indices: 300, states: [hot], threads: [all], seconds: 0.1",
    "rows: 500, columns: 8, indices: 300, states: [cold], threads: [1], seconds: 0.1",
)
TRAINING = (
    WORKLOAD.replace("operation: embedding", "operation: embedding_bag")
    .replace("[output]", "[output, grad_weight]")
    .replace("indices: 300", "bags: 40, ragged: {empty: 0.3, longest: 5}")
    .replace("dtype:", "options: {mode: sum}\ndtype:")
)
SETTINGS = TimingSettings(generations=1, block_seconds=0.0005, timeout=60.0, ceilings=False)
THREE = replace(SETTINGS, generations=3)
STORED = ["torch-ao", "onnxruntime-int8"]
"""Backends that look up in quantized tables only."""
BOTH = ["numpy-reference", "zoo-prints"]


def _workloads(tmp_path, *texts):
    files = []
    for number, text in enumerate(texts or (WORKLOAD,)):
        files.append(tmp_path / f"w{number}.yaml")
        files[-1].write_text(text, "utf-8")
    return list(load_workloads(files).values())


def _time(tmp_path, *backends, texts=(), settings=SETTINGS):
    tmp_path.mkdir(exist_ok=True)
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
    "zoo-hands-out-futures": "before its answer existed: it follows an index that was changed",
    "zoo-copies-into-futures": "ms before its answer existed",
    # Whether it is filled in time is chance, so there are two possible reasons.
    "zoo-fills-later": ("before its answer existed: its bytes changed", "the answer is wrong"),
    "zoo-fills-the-same": "before its answer existed: its bytes changed afterwards",
    "zoo-evaluates-when-read": "only when it is first read",
    "zoo-trips-itself": "errored: the adapter raised it, not the library: ValueError",
    "zoo-goes-stale": "the last timed answer is wrong",
    "zoo-dies-while-timed": "crashed: the process ended with exit code 7",
    "zoo-refuses-everything": "a valid call was refused: AttributeError",
    "zoo-raises-at-first": "a valid call was refused: RuntimeError: not warm yet",
    "zoo-answers-one-shape": "with one more row or bag, the answer is wrong",
}


@pytest.fixture(scope="module")
def zoo_run(tmp_path_factory):
    """Time all deceiving backends in one run; return exit code, run and measurements."""
    return _time(tmp_path_factory.mktemp("zoo"), *DECEIVERS, "zoo-reads-slowly")


@pytest.mark.parametrize(("backend", "words"), DECEIVERS.items())
def test_a_backend_that_deceives_gets_no_figure(zoo_run, backend, words):
    """A backend with a wrong, remembered, late or missing answer is NOT TIMED, with the reason."""
    deceiver = zoo_run[2][backend, "candidate"]
    assert deceiver.verdict == "NOT TIMED"
    told = (words,) if isinstance(words, str) else words
    assert any(each in deceiver.message for each in told)
    assert deceiver.ns_per_lookup is deceiver.ratio is None


def test_who_reads_slowly_is_timed(zoo_run):
    """A backend whose answers take long to read, with varying times, is timed."""
    line = zoo_run[2]["zoo-reads-slowly", "candidate"]
    assert line.ns_per_lookup > 0
    assert line.details.gate.suspected_once == 0


def test_the_others_go_on(zoo_run):
    """Whatever happens to other backends, the reference and its A/A row are timed."""
    code, run, lines = zoo_run
    assert code == run.footer.exit_code == ExitCode.HARNESS
    assert lines["numpy-reference", "reference"].ns_per_lookup > 0
    assert lines["numpy-reference", "a/a"].ratio > 0


def test_what_a_backend_does_not_declare_is_not_timed(tmp_path):
    """A workload beyond a backend's capabilities is NOT TIMED, and no failure."""
    code, _, lines = _time(tmp_path, "zoo-undeclared", texts=[TRAINING])
    assert code == ExitCode.CONFORMS
    assert lines["zoo-undeclared", "candidate"].verdict == "NOT TIMED"
    assert "unsupported" in lines["zoo-undeclared", "candidate"].message
    assert "gradients" in lines["zoo-undeclared", "candidate"].message
    assert lines["numpy-reference", "reference"].ratio == 1.0


def test_an_unavailable_backend_is_recorded(tmp_path):
    """An unavailable backend is in the header but has no measurement, and the exit code is 2."""
    code, run, lines = _time(tmp_path, "zoo-unavailable")
    assert code == ExitCode.USAGE
    assert "unavailable" in run.header.backends[1]
    assert "zoo-unavailable" not in {backend for backend, _ in lines}
    assert lines


def test_an_adapter_that_breaks_is_a_fault_of_the_harness(tmp_path):
    """An adapter whose answers are no arrays is NOT TIMED, and the exit code is 3."""
    code, _, lines = _time(tmp_path, "zoo-wrong-type")
    assert code == ExitCode.HARNESS
    assert lines["zoo-wrong-type", "candidate"].message.startswith("errored: ")


def test_missing_data_leaves_the_workload_untimed(tmp_path, monkeypatch):
    """Without its real table, a workload is NOT TIMED, and says how to install it."""

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
    """A measurement's details have rounds, digests of traces, preparation and noise."""
    _, run, lines = _time(tmp_path, "zoo-slow-first-call", settings=THREE)
    line = lines["zoo-slow-first-call", "candidate"]
    assert line.first_call_seconds >= 0.3
    assert line.details.preparation.second_call_seconds < line.first_call_seconds
    assert line.ratio_low <= line.ratio <= line.ratio_high
    assert line.details.rounds.rounds == line.details.rounds.flagged_rounds["of"] >= 12
    assert line.details.rounds.generations == 3
    assert line.details.preparation.new_shape_first_call_seconds < 0.3
    assert line.break_even_calls is None or line.break_even_calls > 0
    assert line.details.shares is None
    assert line.details.times.p50_ns <= line.details.times.p99_ns
    hashes = {other.details.inputs.trace_sha256 for other in lines.values()}
    assert len(hashes) == 1
    assert run.header.purpose == "timing"
    assert run.header.planned == len(run.measurements) == 4
    assert run.header.settings["reference"] == "numpy-reference"
    assert not run.partial


def test_preparation_is_timed_before_anything_is_kept_of_it(tmp_path):
    """The first generation prepares without caches of others; later generations find its own."""
    workloads = _workloads(tmp_path, WORKLOAD, WORKLOAD.replace("id: TINY", "id: TINY2"))
    settings = replace(SETTINGS, generations=2)
    run_timing(["zoo-compiles-once"], workloads, tmp_path / "out", settings)
    (run,) = read_runs(tmp_path / "out")
    seconds = {
        (line.generation, line.workload, arm.role): arm.life["prepare_seconds"]
        for line in run.rounds
        for arm in line.arms.values()
        if arm.role in {"reference", "a/a"}
    }
    assert len(seconds) == 8
    assert {key[0] for key, prepare in seconds.items() if prepare >= 0.3} == {0}
    assert {key[0] for key, prepare in seconds.items() if prepare < 0.3} == {1}
    assert all(line.details.preparation.prepare_seconds >= 0.3 for line in run.measurements[::3])


def test_an_idle_spinner_spoils_the_verdicts(tmp_path):
    """A backend that uses a core while others are timed makes the verdicts INCONCLUSIVE."""
    _, _, lines = _time(tmp_path, "zoo-spins-while-idle")
    line = lines["zoo-spins-while-idle", "candidate"]
    assert line.verdict == "INCONCLUSIVE"
    assert "while others were timed" in line.message


def test_cold_traces_rotate_with_one_thread(tmp_path, monkeypatch):
    """A cold cell rotates eight traces over a table larger than the cache, on one thread."""
    settings = replace(SETTINGS, profile="full")
    monkeypatch.setattr(machine, "last_level_cache_bytes", lambda: 32_000)
    code, _, lines = _time(tmp_path, settings=settings)
    line = lines["numpy-reference", "reference"]
    assert code == ExitCode.CONFORMS
    assert (line.state, line.threads) == ("cold", 1)
    assert len(set(line.details.inputs.trace_sha256)) == 8
    assert line.details.inputs.table_bytes >= 4 * 32_000
    assert line.message == "one generation of processes cannot decide: it takes 3"
    assert line.details.rounds.cores_used < 1.2


def test_without_the_definition_the_first_backend_is_the_reference(tmp_path):
    """Without numpy-reference, ratios are to the first backend."""
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
    """If the reference does not pass the gate, ratios of that cell are to the next backend."""
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
    assert "the baseline" in other.message


def test_an_interruption_leaves_what_was_read(tmp_path):
    """An interrupted run is a partial record that decides nothing."""
    run = _interrupt(tmp_path, before=3)
    assert run.partial
    assert [(line.workload, line.generation) for line in run.rounds] == [
        ("TINY", 0), ("NEXT", 0), ("TINY", 1),
    ]  # fmt: skip
    assert {line.workload for line in run.measurements} == {"TINY", "NEXT"}
    candidates = [line for line in run.measurements if line.role == "candidate"]
    assert {line.verdict for line in candidates} == {"INCONCLUSIVE"}
    assert "2 of 3 generations were timed" in candidates[0].message
    assert candidates[0].flags[-1] == "generations"


def test_an_interrupted_run_is_taken_up(tmp_path):
    """A resumed run keeps the earlier rounds and adds the missing ones."""
    before = _interrupt(tmp_path, before=3)
    begun = []
    code = _resume(tmp_path, told=begun.append)
    (after,) = read_runs(tmp_path / "out")
    assert code == ExitCode.CONFORMS
    assert not after.partial
    assert after.rounds[:3] == before.rounds
    assert [(line.workload, line.generation) for line in after.rounds[3:]] == [
        ("NEXT", 1), ("TINY", 2), ("NEXT", 2),
    ]  # fmt: skip
    assert len(after.measurements) == 8
    with pytest.raises(CannotResume, match="no interrupted timing run"):
        _resume(tmp_path)


def test_another_run_is_not_taken_up(tmp_path):
    """A run with other settings or backends is not resumed, and the difference is named."""
    _interrupt(tmp_path, before=1)
    with pytest.raises(CannotResume, match="seed: 0, 1"):
        _resume(tmp_path, settings=replace(THREE, seed=1))
    with pytest.raises(CannotResume, match="other backends"):
        _resume(tmp_path, backends=["numpy-reference"])
    with pytest.raises(CannotResume, match="name a folder that a run wrote"):
        run_timing(BOTH, _two(tmp_path), tmp_path / "empty", THREE, resume=True)


def test_figures_can_be_computed_again(tmp_path):
    """A record's measurements can be computed from its rounds, to the last digit."""
    _, run, _ = _time(tmp_path, "zoo-prints", settings=THREE)
    backends = [str(info["id"]) for info in run.header.backends]
    again = measurements(run.rounds, backends, run.header.settings["generations"])
    again = with_figures(again, run.rounds)
    assert [to_json(line) for line in again] == [to_json(line) for line in run.measurements]


def test_the_same_seed_visits_in_the_same_order(tmp_path):
    """Runs with the same seed have the same orders of rounds and the same traces."""
    two = replace(SETTINGS, generations=2)
    runs = [_time(tmp_path / name, "zoo-prints", settings=two)[1] for name in "ab"]
    for first, second in zip(*(run.rounds for run in runs), strict=True):
        assert first.inputs["trace_sha256"] == second.inputs["trace_sha256"]
        for one, other in zip(first.rounds, second.rounds, strict=False):
            assert one["order"] == other["order"]


def test_a_biased_cell_limits_the_others(tmp_path, monkeypatch):
    """An A/A row that is SLOWER by half widens the margin of all cells."""
    real = raw.describe

    def describe(timed):
        """Return the line with the same times in every round, and no noise."""
        line = real(timed)
        slow = 1.5 if timed.cell.workload.id == "TINY" else 1.0
        factors = {"numpy-reference (a/a)": slow, "zoo-prints (candidate)": 0.8}
        for round_ in line.rounds:
            round_["noise"].clear()
            for key, pair in round_["blocks"].items():
                calls = line.arms[key].calls_per_block
                pair[:] = [[0.001 * calls * factors.get(key, 1.0), *[0.0] * 5]] * 2
        return line

    monkeypatch.setattr(raw, "describe", describe)
    code = run_timing(BOTH, _two(tmp_path), tmp_path / "out", THREE)
    (run,) = read_runs(tmp_path / "out")
    assert code == ExitCode.CONFORMS
    (candidate,) = [
        line for line in run.measurements if (line.workload, line.role) == ("NEXT", "candidate")
    ]
    assert candidate.verdict == "INCONCLUSIVE"
    assert "in TINY (hot)" in candidate.message
    assert "a/a" in candidate.flags
    text = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    types = [json.loads(line)["type"] for line in text]
    assert types == ["run", *["rounds"] * 6, *["measurement"] * 8, "end"]


def test_a_hog_of_threads_is_named(tmp_path):
    """A backend with more threads than the cell allows is INCONCLUSIVE, with that reason."""
    _, _, lines = _time(tmp_path, "zoo-hogs-threads")
    line = lines["zoo-hogs-threads", "candidate"]
    assert line.verdict == "INCONCLUSIVE"
    assert "threads" in line.flags
    assert re.search(r"(threads worked|is of \d+ threads) where \d+ are allowed", line.message)


HALF = WORKLOAD.replace("dtype: float32", "dtype: float16")


def test_a_silent_change_of_dtype_is_named(tmp_path):
    """A backend that widens float16 to float32 is NOT TIMED."""
    _, _, lines = _time(tmp_path, "zoo-widens-silently", texts=[HALF])
    line = lines["zoo-widens-silently", "candidate"]
    assert line.verdict == "NOT TIMED"
    assert "output is float32[300, 8], should be float16[300, 8]" in line.message


def _two(tmp_path):
    return _workloads(tmp_path, WORKLOAD, WORKLOAD.replace("id: TINY", "id: NEXT"))


def _interrupt(tmp_path, before):
    steps = []

    def told(step):
        steps.append(step)
        if len(steps) > before:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_timing(BOTH, _two(tmp_path), tmp_path / "out", THREE, told)
    (run,) = read_runs(tmp_path / "out")
    return run


def _resume(tmp_path, backends=(), settings=THREE, told=lambda _: None):
    names = backends or BOTH
    return run_timing(names, _two(tmp_path), tmp_path / "out", settings, told, resume=True)


def to_json(line):
    """Return a line as it is recorded."""
    return json.loads(json.dumps(to_json_data(line)))


def test_a_stored_table_is_timed_beside_the_table_in_floats(tmp_path):
    """A quantized backend is timed with the bytes of its codes; another scheme is NOT TIMED.

    ONNX Runtime uses one scale for the whole table, even if each row should have its own.
    """
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    code, _, lines = _time(tmp_path, *STORED)
    assert code == ExitCode.DEPARTS
    stored, floats = lines["torch-ao", "candidate"], lines["numpy-reference", "reference"]
    assert stored.verdict != "NOT TIMED"
    assert stored.details.inputs.table == (500, 8, "uint8-row")
    assert stored.details.inputs.table_bytes == 500 * (8 + 4 + 4)
    assert floats.details.inputs.table == (500, 8, "float32")
    assert stored.details.rates.compulsory_bytes < floats.details.rates.compulsory_bytes
    assert "its table is stored as uint8-row, in 7.81 KiB" in reasons(stored)
    assert not any("stored" in said for said in reasons(floats))
    wrong = lines["onnxruntime-int8", "candidate"].message
    assert wrong.startswith("its table stored as int8-row: the answer is wrong: output")


def test_the_scheme_of_stored_tables_can_be_chosen(tmp_path):
    """The scheme can be chosen, and a backend without it is not timed."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    settings = replace(SETTINGS, scheme="uint8-table")
    _, _, lines = _time(tmp_path, *STORED, settings=settings)
    assert lines["onnxruntime-int8", "candidate"].details.inputs.table[-1] == "uint8-table"
    assert lines["torch-ao", "candidate"].message.startswith("unsupported")


@pytest.mark.parametrize("name", SCHEMES)
def test_bounds_of_some_rows_are_those_of_the_whole_table(name):
    """The bounds of a quantized call are those of the whole table, also if it uses few rows."""
    table = np.random.default_rng(3).normal(size=(50, 30)).astype(np.float32)
    table[7], table[8] = 40 * table[7], 1e-3
    indices = np.array([3, 41, 3, 20])
    call = Call(Operation.EMBEDDING, {"weight": table, "indices": indices}, {}, ("output",))
    call = stored_call(call, name)
    standard = Standard(call, {"output": table[indices]})
    assert (standard.allowed["output"] == bound("output", call, table[indices])).all()

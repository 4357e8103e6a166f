"""The prices of options: which calls are compared, and that each is right before it is timed."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from tiny_workload import tiny_workload

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.timing.clock.lanes import WIDTH, Lane
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.runs.price_session import run_prices
from embcheck.conformance.timing.runs.session import CannotResume
from embcheck.conformance.timing.workloads.load import load_workloads
from embcheck.conformance.timing.workloads.traces import make_inputs
from embcheck.conformance.timing.workloads.variants import variants_of
from embcheck.reports.terminal.studies import print_studies

LOOKUP = tiny_workload(
    "rows: 50, columns: 8, indices: 40, states: [hot], threads: [all], seconds: 0.05",
    "rows: 50, columns: 8, indices: 40, states: [hot], threads: [all], seconds: 0.05",
)
BAGS = LOOKUP.replace("indices: 40", "bags: 20, bag_size: 3").replace(
    "operation: embedding", "options: {mode: sum}\noperation: embedding_bag"
)


def _workloads(tmp_path, text):
    (tmp_path / "w.yaml").write_text(text, "utf-8")
    return list(load_workloads([tmp_path / "w.yaml"]).values())


def _variants(tmp_path, text):
    (workload,) = _workloads(tmp_path, text)
    found = variants_of(make_inputs(workload, workload.profiles["quick"], 1))
    return {variant.name: variant for variant in found}


def test_every_semantic_is_paired(tmp_path):
    """Bags are compared with weights, modes, offsets, empty bags, narrow indices and training."""
    assert list(_variants(tmp_path, LOOKUP)) == [
        "plain", "plain, again", "int32 indices", "padding_idx", "max_norm",
    ]  # fmt: skip
    bags = _variants(tmp_path, BAGS)
    assert {"per_sample_weights", "mean, not sum", "max, not sum", "offsets"} <= set(bags)
    assert bags["30 % empty bags"].plain == "offsets"
    assert bags["sparse step of SGD"].plain == "forward and sparse backward"


def test_variants_differ_in_one_thing(tmp_path):
    """Each variant differs from its plain call in one thing only."""
    bags = _variants(tmp_path, BAGS)
    plain, flat = (bags[name].inputs.call(0).inputs for name in ("plain", "offsets"))
    np.testing.assert_array_equal(flat["indices"].reshape(20, 3), plain["indices"])
    empty = bags["30 % empty bags"].inputs.call(0).inputs
    lengths = np.diff(np.append(empty["offsets"], empty["indices"].size))
    assert (lengths == 0).sum() == 6
    assert lengths.sum() == 60
    narrow = bags["int32 indices"].inputs.call(0).inputs["indices"]
    assert narrow.dtype == np.int32
    padding = bags["padding_idx"].inputs.call(0)
    assert padding.options["padding_idx"] in padding.inputs["indices"]
    own = bags["max_norm"].inputs.call(0).inputs["weight"]
    assert not np.shares_memory(own, plain["weight"])


def test_a_lane_keeps_its_calls_apart():
    """Two lanes of a worker use the same ids for different calls, and drop only their own."""
    asked = []

    class Client:
        info = pid = None
        import_seconds = 0.0

        def request(self, header, arrays=None, timeout=None):
            asked.append(header)

    lane = Lane(Client(), 2, "a spelling")
    lane.request({"request": "hold", "id": 3})
    lane.request({"request": "time", "ids": [3], "calls": 1})
    lane.request({"request": "drop", "ids": None})
    assert asked[0] == {"request": "hold", "id": 2 * WIDTH + 3, "spelling": "a spelling"}
    assert asked[1]["ids"] == asked[2]["ids"] == [2 * WIDTH + 3]


def test_numpys_spellings_say_the_same(tmp_path):
    """All NumPy spellings give the same rows, and treat bad indices as their comments say."""
    (workload,) = _workloads(tmp_path, LOOKUP)
    call = make_inputs(workload, workload.profiles["quick"], 1).call(0)
    expected = call.inputs["weight"][call.inputs["indices"]]
    found = NumpyReference().spellings(call)
    assert len(found) > 4
    for thunk in found.values():
        np.testing.assert_array_equal(thunk()["output"], expected)
    call.inputs["indices"][0] = 50
    for name, thunk in NumpyReference().spellings(call).items():
        if name.endswith("# raises"):
            with pytest.raises(IndexError):
                thunk()
        else:
            row = 49 if name.endswith("# clamps") else 0
            np.testing.assert_array_equal(thunk()["output"][0], call.inputs["weight"][row])


def test_prices_are_timed_recorded_and_shown(tmp_path):
    """A run of prices records each variant and spelling, and the terminal shows them."""
    workloads = _workloads(tmp_path, LOOKUP)
    settings = TimingSettings(block_seconds=0.0002, min_rounds=4, seconds=0.05)
    code = run_prices(["numpy-reference", "zoo-wrong-row"], workloads, tmp_path, settings)
    assert code == ExitCode.DEPARTS
    (run,) = read_runs(tmp_path)
    assert run.header.purpose == "prices"
    mine = {line.variant: line for line in run.prices if line.backend == "numpy-reference"}
    assert mine["padding_idx"].ratio > 0
    assert mine["padding_idx"].ratio_low <= mine["padding_idx"].ratio_high
    assert len(mine["padding_idx"].details.rounds.rounds_ns_per_call) == settings.generation_count
    assert mine["weight[indices]  # raises"].kind == "spelling"
    assert mine["max_norm"].details.rounds.note
    (wrong,) = [line for line in run.prices if line.backend == "zoo-wrong-row"]
    assert wrong.verdict == "NOT TIMED"
    assert "the answer is wrong" in wrong.message
    screen = io.StringIO()
    print_studies([], [run], Console(file=screen, width=80))
    assert "What an option costs" in screen.getvalue()
    assert "padding_idx" in screen.getvalue()


def _interrupted_after(backend, tmp_path, settings):
    """Price two backends, and cut the record as if only the named one was finished."""
    workloads = _workloads(tmp_path, LOOKUP)
    other = "numpy-reference" if backend == "zoo-wrong-row" else "zoo-wrong-row"
    run_prices([backend, other], workloads, tmp_path, settings)
    record = tmp_path / "results.jsonl"
    lines = record.read_text().splitlines(keepends=True)
    begun = [line for line in lines[:-1] if f'"backend": "{other}"' not in line]
    record.write_text("".join(begun))
    return [backend, other], workloads, record, begun


def test_an_interrupted_run_of_prices_is_taken_up(tmp_path):
    """A resumed run keeps recorded prices and adds missing ones; other settings are refused."""
    settings = TimingSettings(block_seconds=0.0002, min_rounds=4, seconds=0.05, generations=2)
    found = _interrupted_after("numpy-reference", tmp_path, settings)
    backends, workloads, record, begun = found
    with pytest.raises(CannotResume, match="seed: 0, 1"):
        run_prices(backends, workloads, tmp_path, replace(settings, seed=1), resume=True)
    told = []
    code = run_prices(backends, workloads, tmp_path, settings, told.append, resume=True)
    assert [str(step) for step in told] == ["prices of TINY on zoo-wrong-row"]
    assert record.read_text().splitlines(keepends=True)[: len(begun)] == begun
    (run,) = read_runs(tmp_path)
    assert not run.partial
    assert code == ExitCode.DEPARTS
    with pytest.raises(CannotResume, match="no interrupted"):
        run_prices(backends, workloads, tmp_path, settings, resume=True)


def test_a_fault_before_the_interruption_is_not_forgotten(tmp_path):
    """A resumed run's exit code includes the steps before the interruption."""
    settings = TimingSettings(block_seconds=0.0002, min_rounds=4, seconds=0.05, generations=1)
    backends, workloads, *_ = _interrupted_after("zoo-wrong-row", tmp_path, settings)
    assert run_prices(backends, workloads, tmp_path, settings, resume=True) == ExitCode.DEPARTS

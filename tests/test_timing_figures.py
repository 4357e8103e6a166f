"""Bytes, rates and shares of ceilings, on calls that can be counted by hand."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
from timing_simulation import arm_record
from tiny_workload import tiny_workload

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.details import CallTimes, Shares, TimingDetails
from embcheck.conformance.records.lines import Measurement, RoundsLine
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.timing.clock import memory
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.runs.session import run_timing
from embcheck.conformance.timing.verdicts import ceilings, limits
from embcheck.conformance.timing.verdicts.ceilings import Ceiling, Rate, Streams
from embcheck.conformance.timing.verdicts.figures import impossible, with_figures
from embcheck.conformance.timing.workloads.load import load_workloads
from embcheck.conformance.timing.workloads.traffic import traffic
from embcheck.reports.timings import costs, reasons

GB = 1e9
COPY = Rate(10 * GB, "a copy")
STREAMS = Streams(1, 1, None, COPY, COPY, COPY)
CEILING = Ceiling(Rate(20 * GB, "a gather"), COPY, limit=20 * GB, streams=STREAMS)
MOVED = {"logical": 2000.0, "padded": 3000.0, "compulsory": 1000.0, "touched": 500.0}


def call(indices, columns=16, observe=("output",), operation=Operation.EMBEDDING, **inputs):
    """Return a call on a table of ten rows of float32."""
    weight = np.ones((10, columns), np.float32)
    arrays = {"weight": weight, "indices": np.array(indices), **inputs}
    return Call(operation, arrays, {"mode": "sum"} if operation.is_bag else {}, observe)


def test_a_lookup_is_counted_three_ways():
    """The logical, compulsory and touched bytes of a lookup are as counted by hand."""
    found = traffic(call([1, 1, 2]))
    assert found.logical == found.padded == 3 * 64 + 3 * 8 + 3 * 64
    assert found.compulsory == 2 * 64 + 3 * 8 + 3 * 64
    assert found.touched == 2 * 64


def test_a_row_that_straddles_lines_is_padded():
    """Padded bytes count all cache lines that a row touches."""
    found = traffic(call([0, 1, 2, 3], columns=12))
    assert found.padded - found.logical == 6 * 64 - 4 * 48


def test_bags_write_one_row_each():
    """A bag writes one row, also if it is empty."""
    weights = np.ones(3, np.float32)
    offsets = np.array([0, 3])
    found = traffic(
        call([1, 2, 3], operation=Operation.EMBEDDING_BAG, offsets=offsets,
             per_sample_weights=weights)
    )  # fmt: skip
    assert found.logical == 3 * 64 + 3 * 8 + 2 * 8 + 3 * 4 + 2 * 64


def test_a_gradient_moves_the_whole_table_and_a_step_its_rows():
    """A dense gradient writes the whole table; a training step only the touched rows."""
    forward = traffic(call([1, 1, 2])).compulsory
    dense = traffic(call([1, 1, 2], observe=("output", "grad_weight"))).compulsory
    step = traffic(call([1, 1, 2], observe=("output", "trained_weight"))).compulsory
    assert dense - forward == 2 * 64 + 3 * 64 + 10 * 64
    assert step - forward == 2 * 64 + 3 * 64


def line(role="candidate", nanoseconds=100.0):
    """Return a measurement of a cell."""
    details = TimingDetails(times=CallTimes(nanoseconds, None, nanoseconds, nanoseconds))
    return Measurement(
        "R1", role, "hot", 1, 1.0, 0.5, 0.4, 0.6, "FASTER", 0.1, role, details=details
    )


def rounds(ceiling=CEILING, forward=True, peak=7, generation=0, moved=MOVED):
    """Return what one generation recorded of that cell."""
    arms = {
        role: arm_record(role, role, memory={"peak_bytes": peak})
        for role in ("candidate", "sentinel")
    }
    inputs = {"ceiling": ceiling and asdict(ceiling), "forward": forward, "moved": moved}
    return RoundsLine("R1", "hot", 1, generation, "reference", inputs, arms, ())


def test_rates_are_shares_of_the_best_ceiling():
    """Rates are bytes by time, and shares are relative to the best ceiling of all generations."""
    slow = Ceiling(Rate(GB, "slow"), Rate(GB, "slow"), GB, STREAMS)
    read = [rounds(slow), rounds(peak=9, generation=1)]
    found, sentinel = with_figures([line(), line("sentinel")], read)
    assert found.details.rates.logical_gb_per_s == pytest.approx(20)
    assert found.details.rates.padded_gb_per_s == pytest.approx(30)
    assert found.details.rates.compulsory_gb_per_s == pytest.approx(10)
    assert found.details.shares.share_of_gather == pytest.approx(0.5)
    assert found.details.shares.share_of_copy == pytest.approx(1.0)
    assert found.details.memory.peak_bytes == 9
    assert sentinel.details.rates is None
    assert impossible([found], read, {}) == {}


@pytest.mark.parametrize(
    ("moved", "forward", "limits", "faults"),
    [
        (2101, True, {}, 1),
        (2099, True, {}, 0),
        (2101, False, {}, 0),
        (2101, True, {1: 30 * GB}, 0),
        (2101, True, {2: 30 * GB}, 1),
    ],
)
def test_a_rate_that_no_machine_has_is_named(moved, forward, limits, faults):
    """A rate over 105 % of the limit is impossible, except for gradients or a higher new limit."""
    read = [rounds(forward=forward, moved={**MOVED, "compulsory": moved})]
    lines = with_figures([line()], read)
    assert len(impossible(lines, read, limits)) == faults


def test_without_a_ceiling_there_are_rates():
    """Without a ceiling, rates have no shares and no limit."""
    read = [rounds(None)]
    (found,) = with_figures([line()], read)
    assert found.details.rates.compulsory_gb_per_s == pytest.approx(10)
    assert found.details.shares is None
    assert impossible([found], read, {}) == {}


def test_ceilings_are_measured(monkeypatch):
    """Ceilings are measured as positive rates, each with how it was measured."""
    monkeypatch.setattr(ceilings.machine, "last_level_cache_bytes", lambda: 100_000)
    streams = ceilings.measure_streams(2, looks=1)
    assert streams.array_bytes >= 4 * 100_000
    assert min(streams.copy.bytes_per_second, streams.sum.bytes_per_second) > 1e6
    weight = np.ones((100, 8), np.float32)
    gather = ceilings.measure_gather(weight, [np.arange(10), np.arange(10)], 2, looks=1)
    assert gather.bytes_per_second > 1e6
    assert "np.take" in gather.way
    assert ceilings.measure_hot_copy(1e5, 1, looks=1).bytes_per_second > 1e6


def test_a_ceiling_gathers_the_rows_of_the_cell():
    """A ceiling gathers the rows of the traces, or random rows if the traces are short."""
    traces = [np.zeros((300, 10), np.int32), np.ones(2000, np.int32), np.ones(3, np.int32)]
    found = ceilings.gather_indices(500, traces)
    assert [set(rows.tolist()) for rows in found] == [{0}, {1}]
    assert {rows.shape for rows in found} == {(2000,)}
    drawn = ceilings.gather_indices(500, [np.zeros(3, np.int64)] * 2)
    assert [rows.size for rows in drawn] == [ceilings.MIN_GATHERED] * 2
    assert all(len(set(rows.tolist())) > 100 and rows.max() < 500 for rows in drawn)


def test_memory_counts_from_the_mark():
    """Peak memory counts from the mark."""
    code = "import sys; input(); x = bytearray(b'1') * 2**26; print(len(x), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        before = memory.mark(process.pid)
        if before is None:
            process.communicate("\n\n")
            pytest.skip("this kernel does not forget a peak")
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        assert before.peak() - before.resident >= 2**26
        later = memory.mark(process.pid)
        assert later.resident >= before.peak() - 2**22
        process.communicate("\n")
    assert memory.mark(None) is None
    assert before.peak() is None


WORKLOAD = tiny_workload(
    "rows: 500, columns: 8, indices: 300, states: [hot], threads: [all], seconds: 0.1",
    "rows: 500, columns: 8, indices: 300, states: [hot], threads: [1], seconds: 0.1",
)


@pytest.mark.parametrize(("rate", "code"), [(1e12, ExitCode.CONFORMS), (1.0, ExitCode.HARNESS)])
def test_an_impossible_rate_fails_the_run(tmp_path, monkeypatch, rate, code):
    """A run whose rate exceeds the limit twice ends with a fault of the harness."""
    looked = []
    way = Rate(rate, "a test")

    def streams(threads, looks=0):
        looked.append(looks)
        return Streams(threads, 1, 1, way, way, way)

    monkeypatch.setattr(limits, "measure_streams", streams)
    monkeypatch.setattr(limits, "measure_gather", lambda *_: way)
    monkeypatch.setattr(limits, "measure_hot_copy", lambda *_: way)
    (tmp_path / "w.yaml").write_text(WORKLOAD, "utf-8")
    workloads = list(load_workloads([tmp_path / "w.yaml"]).values())
    settings = TimingSettings(block_seconds=0.0005, generations=2)
    assert run_timing(["numpy-reference"], workloads, tmp_path / "out", settings) == code
    (run,) = read_runs(tmp_path / "out")
    first = run.measurements[0]
    assert first.details.shares.share_of_copy > 0
    assert first.details.memory.peak_bytes > first.details.inputs.table_bytes
    assert run.rounds[0].inputs["ceiling"]["streams"]["copy"]["way"] == "a test"
    assert len(looked) == (2 if code else 1)
    assert ("the clock or the count of bytes is wrong" in first.message) == bool(code)


def test_a_share_over_a_ceiling_is_the_ceilings_fault():
    """A share far over 100 % is not shown; a note says that the ceiling was measured too low."""
    shares = Shares(1.39, 1.05, 1.0, "np.take", 1.0, "np.copyto")
    details = TimingDetails(shares=shares)
    line = Measurement("T2", "a", "hot", 2, 1.0, 1.0, 1.0, 1.0, "SAME", 0.1, details=details)
    assert (costs(line).of_gather, costs(line).of_copy) == ("-", "105%")
    assert reasons(line) == ["its rate is 139% of the gather's: that ceiling was measured too low"]


def test_threads_gather_at_their_own_pace():
    """Threads that begin together are timed by the slowest of them."""
    waits = [partial(time.sleep, seconds) for seconds in (0.001, 0.003)]
    assert 0.003 <= ceilings.seconds_together(waits, 2) < 1


def test_a_backends_own_gather_is_a_ceiling_and_no_limit(tmp_path, monkeypatch):
    """A backend faster than the measured gather becomes the ceiling, but not the limit."""
    way = Rate(1e3, "slow")
    monkeypatch.setattr(limits, "measure_streams", lambda *_: Streams(1, 1, 1, *[way] * 3))
    for name in ("measure_gather", "measure_hot_copy"):
        monkeypatch.setattr(limits, name, lambda *_: way)
    text = tiny_workload(
        "rows: 500, columns: 8, indices: 2000, states: [hot], threads: [all], seconds: 0.05",
        "rows: 50, columns: 8, indices: 40, states: [hot], threads: [all], seconds: 0.05",
    )
    (tmp_path / "w.yaml").write_text(text, "utf-8")
    workloads = list(load_workloads([tmp_path / "w.yaml"]).values())
    settings = TimingSettings(generations=1, block_seconds=0.0005)
    assert run_timing(["numpy-reference"], workloads, tmp_path, settings) == ExitCode.HARNESS
    (run,) = read_runs(tmp_path)
    ceiling = run.rounds[0].inputs["ceiling"]
    assert ceiling["gather"]["way"] == "numpy-reference itself"
    assert ceiling["limit"] == 1.5e3
    assert all(line.details.shares.share_of_gather <= 1 for line in run.measurements[:2])

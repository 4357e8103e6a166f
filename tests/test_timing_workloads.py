"""Workload files, and the arrays made from them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from tiny_workload import tiny_workload

from embcheck.conformance.suite.problems import SpecError
from embcheck.conformance.timing.workloads.load import (
    PROFILES,
    UnknownWorkload,
    load_workloads,
    pick,
    workload_files,
)
from embcheck.conformance.timing.workloads.traces import make_inputs

TINY = tiny_workload(
    "rows: 50, columns: 4, indices: 30, states: [hot], threads: [all], seconds: 0.1",
    "rows: 50, columns: 4, indices: 30, states: [hot, cold], threads: [1, all], seconds: 1",
)
R_CELLS = ("R1", "R2", "R3", "R4", "R5", "R6MEAN", "R6MAX")
BAGS = TINY.replace("operation: embedding", "operation: embedding_bag").replace(
    "indices: 30", "bags: 40, ragged: {empty: 0.3, longest: 5}"
)


def _load(tmp_path, *texts):
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"w{number}.yaml")
        files[-1].write_text(text, "utf-8")
    return load_workloads(files)


def _inputs(tmp_path, text, traces=3):
    (workload,) = _load(tmp_path, text).values()
    return make_inputs(workload, workload.profiles["quick"], traces)


def test_the_shipped_workloads_load():
    """Every shipped workload is valid and has all profiles, and all expected ids exist."""
    found = load_workloads(workload_files())
    assert {"T1", "T2", "W1", *R_CELLS, "B1", "B2"} <= set(found)
    assert all(set(workload.profiles) == set(PROFILES) for workload in found.values())


def test_workloads_are_picked_by_id(tmp_path):
    """All workloads are taken if none is named; an unknown id is refused."""
    known = _load(tmp_path, TINY)
    assert [workload.id for workload in pick([], known)] == ["TINY"]
    assert [workload.id for workload in pick(["TINY", "TINY"], known)] == ["TINY"]
    with pytest.raises(UnknownWorkload, match="no workload 'T9'; known workloads: TINY"):
        pick(["T9"], known)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("dtype: float32", "dtype: int8", "w0.yaml:6:8: dtype: 'int8' is not known"),
        ("seed: 1", "sed: 1", "w0.yaml:7:9: unknown key 'sed'"),
        ("title: a small one\n", "", "lacks 'title'"),
        ("{seed: 2}", "{real: poems}", "w0.yaml:8:15: no real array 'poems'"),
        ("quick: {rows: 50, ", "quick: {", "w0.yaml:10:10: profiles.quick lacks 'rows'"),
        ("indices: 30, states: [hot],", "indices: 30, bags: 3, states: [hot],", "'bags' does not"),
        ("operation: embedding", "operation: embedding_bag", "lacks 'bag_size'"),
        ("{seed: 2}", "{seed: 2}\nper_sample_weights: {seed: 3}", "no per-sample weights"),
        ("threads: [all]", "threads: [2]", "'2' is not known"),
    ],
)
def test_a_mistake_is_shown_with_its_place(tmp_path, old, new, words):
    """A mistake in a workload is reported with file, line, column and remedy."""
    assert old in TINY
    with pytest.raises(SpecError) as error:
        _load(tmp_path, TINY.replace(old, new))
    assert words in str(error.value)


def test_an_id_stands_once(tmp_path):
    """Two files with the same id are refused."""
    with pytest.raises(SpecError, match=r"w1\.yaml:1:5: the workload 'TINY' stands twice"):
        _load(tmp_path, TINY, TINY)


def test_arrays_are_the_same_bytes_everywhere(tmp_path):
    """Seeded tables and traces have fixed digests, so that changes in NumPy or here are noticed."""
    inputs = _inputs(tmp_path, TINY)
    table = hashlib.sha256(inputs.shared["weight"].tobytes()).hexdigest()
    assert table == "818c7086d2ef95ef9efd7a6b4d4c003488c79b4a95846881ee8af6aad845097d"
    assert inputs.hashes[0] == "3ffee27fdee85df8ec26cca662bb5d6902f5bb14955ae39d959fcc6857f85372"
    assert len(set(inputs.hashes)) == 3


def test_tables_are_spread_over_their_range(tmp_path):
    """Values of a table are spread evenly over [-1, 1), in its dtype."""
    text = TINY.replace("rows: 50", "rows: 5000")
    weight = _inputs(tmp_path, text).shared["weight"]
    assert weight.dtype == np.float32
    assert weight.min() >= -1
    assert weight.max() < 1
    assert abs(float(weight.mean())) < 0.02
    half = _inputs(tmp_path, text.replace("float32", "float16")).shared["weight"]
    assert half.dtype == np.float16
    assert np.abs(half).max() <= 1


def test_zipf_draws_few_rows_often(tmp_path):
    """With a Zipf exponent of 1, the most frequent of 50 rows has 1 / H(50) = 22 % of the draws."""
    text = TINY.replace("trace: {seed: 2}", "trace: {seed: 2, zipf: 1.0}")
    inputs = _inputs(tmp_path, text.replace("indices: 30", "indices: 20000"), traces=1)
    counts = np.sort(np.bincount(inputs.traces[0]["indices"], minlength=50))[::-1]
    assert counts[0] / 20000 == pytest.approx(0.222, rel=0.05)
    assert counts[1] / counts[0] == pytest.approx(1 / 2, rel=0.1)
    assert inputs.hashes[0].startswith("5718ae59375e7838")


def test_indices_can_be_int32_and_weighed(tmp_path):
    """Indices and offsets have the named dtype, and each index has a weight."""
    text = BAGS.replace("dtype: float32", "dtype: float32\nindex_dtype: int32")
    trace = _inputs(tmp_path, text + "per_sample_weights: {seed: 9}\n").traces[0]
    assert trace["indices"].dtype == trace["offsets"].dtype == np.int32
    assert trace["per_sample_weights"].dtype == np.float32
    assert trace["per_sample_weights"].shape == trace["indices"].shape


def test_ragged_bags_meet_their_share_of_empty_ones(tmp_path):
    """Exactly 30 % of ragged bags are empty, none is too long, and all indices are used."""
    inputs = _inputs(tmp_path, BAGS)
    for trace in inputs.traces:
        lengths = np.diff(np.append(trace["offsets"], trace["indices"].size))
        assert (lengths == 0).sum() == 12
        assert lengths.max() <= 5
        assert lengths.min() == 0
        assert lengths.sum() == trace["indices"].size
    assert inputs.bags == 40


def test_the_change_is_one_index(tmp_path):
    """The changed call differs from the first in one index, which is valid."""
    inputs = _inputs(tmp_path, TINY)
    before, after = inputs.call(0).inputs, inputs.changed_call().inputs
    assert (before["indices"] != after["indices"]).sum() == 1
    assert after["indices"].max() < 50
    assert before["weight"] is after["weight"]


def test_a_gradient_has_an_upstream_one(tmp_path):
    """A workload with a gradient has an upstream gradient, the same for all traces."""
    inputs = _inputs(tmp_path, BAGS.replace("[output]", "[output, grad_weight]"))
    assert inputs.shared["grad_output"].shape == (40, 4)

"""The stream for real reuse has the published histogram."""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.conformance.timing.workloads.load import select_workloads
from embcheck.conformance.timing.workloads.reuse import reuse_counts, reuse_stream, scatter
from embcheck.conformance.timing.workloads.traces import make_inputs


def histogram(stream):
    """Return the figures of a stream of rows that are published."""
    counts = np.unique(stream, return_counts=True)[1]
    once, frequent = counts == 1, counts > 512
    return {
        "rows touched once": once.mean(),
        "their share of accesses": once.sum() / counts.sum(),
        "accesses of rows touched over 512 times": counts[frequent].sum() / counts.sum(),
        "accesses a touched row": counts.mean(),
    }


PUBLISHED = {
    "rows touched once": 0.47,
    "their share of accesses": 0.069,
    "accesses of rows touched over 512 times": 0.26,
    "accesses a touched row": 6.9,
}


@pytest.mark.parametrize(("profile", "traces"), [("quick", 1), ("full", 1), ("full", 8)])
def test_the_shipped_stream_fits_the_published_histogram(profile, traces):
    """R2's stream, of one call or all rotating calls, has all four figures within 2 %."""
    (workload,) = select_workloads(["R2"])
    made = make_inputs(workload, workload.profiles[profile], traces)
    stream = np.concatenate([trace["indices"].reshape(-1) for trace in made.traces])
    assert histogram(stream) == pytest.approx(PUBLISHED, rel=0.02)


def test_a_uniform_stream_does_not_fit_it():
    """A uniform stream of the same length does not have the published figures."""
    rows = np.random.default_rng(1).integers(5936, size=40960)
    found = histogram(rows)
    assert found["accesses a touched row"] == pytest.approx(6.9, rel=0.02)
    assert found["rows touched once"] < 0.02
    assert found["accesses of rows touched over 512 times"] == 0


@pytest.mark.parametrize("accesses", [1, 2, 10, 100, 2560, 40_960])
def test_counts_add_up(accesses):
    """The counts of rows add up to any number of accesses."""
    counts = reuse_counts(accesses)
    assert counts.sum() == accesses
    assert counts.min() >= 1


def test_frequent_rows_are_no_neighbours():
    """Rows of neighbouring ranks are far apart in the table."""
    rows = scatter(np.arange(1000), 1000)
    assert sorted(rows) == list(range(1000))
    assert np.abs(np.diff(rows)).min() > 100


def test_a_small_table_is_named_by_all_its_rows():
    """A table with fewer rows than the histogram is used completely."""
    stream = reuse_stream([3], 100, 5000)
    assert set(stream) == set(range(100))

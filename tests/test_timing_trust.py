"""Verdicts are limited by the resolution of their cell."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from embcheck.conformance.records.details import Rounds, TimingDetails
from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.timing.statistics.estimate import Estimate, conclude
from embcheck.conformance.timing.verdicts.decide import Because, Doubt
from embcheck.conformance.timing.verdicts.trust import (
    Judged,
    biased,
    correct,
    limit_run,
    limit_verdicts,
)


def judged_as(role, ratio, low, high, workload="R1", idle=0.0):
    """Return a measurement with the verdict of its own interval."""
    found = None if role == "reference" else Estimate(ratio, low, high)
    verdict = "SAME" if found is None else str(conclude(found))
    details = TimingDetails(rounds=Rounds(1, 1, (1,), 0.0, 0.0, 0.0, 1.0, idle, 0, {}))
    line = Measurement(
        workload, role, "hot", 1, 10.0, ratio, low, high, verdict, 0.1, role, details=details
    )
    return Judged(line, found)


REFERENCE = judged_as("reference", 1.0, 1.0, 1.0)
GOOD = judged_as("a/a", 1.0, 0.99, 1.01)
WIDE = judged_as("a/a", 0.99, 0.94, 1.04)
SLOW = judged_as("a/a", 1.05, 1.04, 1.07)


def judged(candidate, twin=GOOD, flagged=((),), drift=0.0):
    """Return a candidate's measurement after its cell was judged."""
    return limit_verdicts([REFERENCE, candidate, twin], flagged, drift)[1].line


@pytest.mark.parametrize(
    ("ratio", "low", "high", "verdict"),
    [
        (0.5, 0.49, 0.51, "FASTER"),
        (0.95, 0.94, 0.96, "INCONCLUSIVE"),
        (1.0, 0.99, 1.01, "INCONCLUSIVE"),
        (1.05, 1.04, 1.06, "INCONCLUSIVE"),
        (1.2, 1.1, 1.3, "SLOWER"),
    ],
)
def test_the_interval_of_a_biased_twin_is_the_margin(ratio, low, high, verdict):
    """Beside an A/A row of 1.04 to 1.07, the margin is 7 %, and nothing is SAME."""
    limited = judged(judged_as("candidate", ratio, low, high), SLOW)
    assert limited.verdict == verdict
    assert limited.ratio == ratio
    assert limited.flags == ("a/a",)
    assert limited.details.resolution.resolution == pytest.approx(0.07)
    assert "against itself gave 1.050 (1.040 to 1.070)" in limited.message


def test_an_imprecise_twin_limits_by_the_difference_that_it_found():
    """Beside a wide A/A row, the margin is its ratio, not its width.

    Its width is noise that the candidate's own interval already contains.
    """
    off = judged_as("a/a", 0.95, 0.89, 1.02)
    for twin, margin in ((WIDE, None), (off, 1 / 0.95 - 1)):
        limited = judged(judged_as("candidate", 1.1, 1.06, 1.14), twin)
        assert (limited.verdict, limited.flags) == ("SLOWER", ("a/a",))
        found = limited.details.resolution
        assert (found and found.resolution) == (margin and pytest.approx(margin))
    assert judged(judged_as("candidate", 1.1, 1.045, 1.14), off).verdict == "INCONCLUSIVE"


def test_too_few_processes_decide_nothing_and_know_no_margin():
    """Two generations give no verdict, and their meaningless margin is not shown."""
    wild = judged_as("a/a", 3.0, 0.0006, 1582.0)
    few = Doubt(Because.PARTIAL, "2 generations of processes cannot decide: it takes 3", few=True)
    cell = limit_verdicts([REFERENCE, judged_as("candidate", 0.1, 0.09, 0.11), wild], ((),), 0.0)
    lines = [one.but(few).line for one in cell]
    assert [line.verdict for line in lines] == ["SAME", "INCONCLUSIVE", "INCONCLUSIVE"]
    assert lines[1].message == "2 generations of processes cannot decide: it takes 3"
    assert lines[1].details.resolution is None
    assert "only differences over a factor of 3 count" in cell[1].line.message
    impossible = Doubt(Because.IMPOSSIBLE, "faster than memory")
    assert REFERENCE.but(few).but(impossible).line.verdict == "INCONCLUSIVE"


def test_a_good_twin_leaves_verdicts_alone():
    """If the A/A row is SAME, verdicts are unchanged."""
    for ratio, low, high in ((1.0, 0.99, 1.01), (0.9, 0.89, 0.91)):
        candidate = judged_as("candidate", ratio, low, high)
        assert judged(candidate) == candidate.line


def test_without_a_twin_nothing_is_decided():
    """Without an A/A row all verdicts are INCONCLUSIVE."""
    lost = Measurement("R1", "a", "hot", 1, None, None, None, None, "NOT TIMED", None, "a/a")
    limited = judged(judged_as("candidate", 0.1, 0.1, 0.1), Judged(lost))
    assert (limited.verdict, limited.ratio) == ("INCONCLUSIVE", 0.1)


def test_disturbed_rounds_count_by_what_they_did():
    """Many disturbed rounds widen the margin to the sentinel's drift; few do not."""
    candidate = judged_as("candidate", 0.9, 0.89, 0.91)
    noisy = (("foreign",), ("sentinel",), ())
    assert judged(candidate, flagged=noisy, drift=math.log(1.2)).verdict == "INCONCLUSIVE"
    assert judged(candidate, flagged=noisy, drift=math.log(1.05)).verdict == "FASTER"
    assert judged(candidate, flagged=noisy, drift=0.0).flags == ("foreign", "sentinel")
    both = judged(candidate, WIDE, noisy, math.log(1.2))
    assert both.message.startswith("only differences over 20% count: 67% of the rounds")
    assert both.message.count("count:") == 1
    few = (("foreign",), *[()] * 9)
    assert judged(candidate, flagged=few, drift=math.log(1.2)) == candidate.line


def test_a_worker_that_does_not_rest_leaves_all_open():
    """CPU time of an idle worker makes all verdicts INCONCLUSIVE, above 1 % of a core."""
    for share, verdict in ((0.5, "INCONCLUSIVE"), (0.02, "INCONCLUSIVE"), (0.005, "FASTER")):
        restless = judged_as("candidate", 0.1, 0.1, 0.1, idle=share)
        limited = judged(restless)
        assert limited.verdict == verdict
        assert ("of a core while others were timed" in limited.message) == (share > 0.01)


def test_a_bias_in_one_cell_limits_the_others():
    """The worst A/A row that is FASTER or SLOWER sets the margin of the whole run."""
    cell = [GOOD, judged_as("candidate", 0.95, 0.94, 0.96), judged_as("candidate", 0.5, 0.49, 0.51)]
    wrong = judged_as("a/a", 1.05, 1.04, 1.07, workload="T2")
    draws = np.random.default_rng(1).normal(math.log(1.05), 0.008, 10_000)
    wrong = replace(wrong, found=replace(wrong.found, draws=draws))
    assert biased([*cell, wrong]) is wrong
    assert biased([wrong, *[replace(GOOD, found=Estimate(1.0, 0.9, 1.1))] * 20]) is None
    assert [limited.line.verdict for limited in limit_run([*cell, wrong])] == [
        "SAME", "INCONCLUSIVE", "FASTER", "SLOWER",
    ]  # fmt: skip
    assert biased(cell) is None
    assert biased([WIDE]) is None
    assert limit_run(cell) == cell


def test_a_verdict_must_stand_among_the_others():
    """A verdict that is barely significant alone is withdrawn among many comparisons."""
    random = np.random.default_rng(1)
    draws = np.sort(random.normal(0.05, 0.01, 10_000))
    sure = Estimate(2.0, 1.9, 2.1, draws + 0.65)
    bare = Estimate(1.05, 1.031, 1.07, draws)
    lines = [one(role="candidate", found=found) for found in (sure, bare)]
    alone = correct([lines[1]])
    among = correct([REFERENCE, GOOD, *lines, *[one("candidate", Estimate(1.0, 0.9, 1.1))] * 18])
    assert alone[0].line.verdict == "SLOWER"
    assert [found.line.verdict for found in among[:4]] == ["SAME", "SAME", "SLOWER", "INCONCLUSIVE"]
    assert "one of 20 comparisons" in among[3].line.message
    assert among[3].line.flags == ("many-comparisons",)
    assert among[2].line.details.multiplicity.comparisons == 20


def one(role, found):
    """Return a judged measurement of an estimate."""
    line = judged_as(role, found.ratio, found.low, found.high).line
    return Judged(line, found)

"""A verdict claims no more than its cell can tell apart."""

from __future__ import annotations

import math

import pytest

from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.timing.estimate import Estimate, conclude
from embcheck.conformance.timing.trust import biased, limit_run, limit_verdicts


def line(role, ratio, low, high, workload="R1", **details):
    """Return a measurement whose verdict is that of its interval alone."""
    verdict = "SAME" if role == "reference" else str(conclude(Estimate(ratio, low, high)))
    return Measurement(
        workload, role, "hot", 1, 10.0, ratio, low, high, verdict, 0.1, role, details=details
    )


REFERENCE = line("reference", 1.0, 1.0, 1.0)
GOOD = line("a/a", 1.0, 0.99, 1.01)
WIDE = line("a/a", 0.99, 0.94, 1.04)
SLOW = line("a/a", 1.05, 1.04, 1.07)


def judged(candidate, twin=GOOD, flagged=((),), drift=0.0):
    """Return what becomes of a candidate's line in its cell."""
    return limit_verdicts([REFERENCE, candidate, twin], flagged, drift)[1]


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
def test_the_interval_of_the_twin_is_the_margin(ratio, low, high, verdict):
    """Beside an A/A row of 0.94 to 1.04 only what clears 6 % is decided, and nothing is SAME."""
    limited = judged(line("candidate", ratio, low, high), WIDE)
    assert limited.verdict == verdict
    assert limited.ratio == ratio
    assert limited.details["resolution"] == pytest.approx(1 / 0.94 - 1)
    assert "the reference against itself gave 0.990 (0.940 to 1.040)" in limited.message


def test_a_good_twin_leaves_verdicts_alone():
    """Where the A/A row is SAME, so is what lies within 3 %."""
    for candidate in (line("candidate", 1.0, 0.99, 1.01), line("candidate", 0.9, 0.89, 0.91)):
        assert judged(candidate) == candidate


def test_without_a_twin_nothing_is_decided():
    """A cell whose A/A row could not be timed says nothing."""
    lost = Measurement("R1", "a", "hot", 1, None, None, None, None, "NOT TIMED", None, "a/a")
    limited = judged(line("candidate", 0.1, 0.1, 0.1), lost)
    assert (limited.verdict, limited.ratio) == ("INCONCLUSIVE", 0.1)


def test_disturbed_rounds_count_by_what_they_did():
    """Many disturbed rounds widen the margin to the drift of the sentinel; few do not."""
    candidate = line("candidate", 0.9, 0.89, 0.91)
    noisy = (("foreign",), ("sentinel",), ())
    assert judged(candidate, flagged=noisy, drift=math.log(1.2)).verdict == "INCONCLUSIVE"
    assert judged(candidate, flagged=noisy, drift=math.log(1.05)).verdict == "FASTER"
    both = judged(candidate, WIDE, noisy, math.log(1.2))
    assert both.message.startswith("only differences over 20% count: 67% of the rounds")
    assert both.message.count("count:") == 1
    few = (("foreign",), *[()] * 9)
    assert judged(candidate, flagged=few, drift=math.log(1.2)) == candidate


def test_a_worker_that_does_not_rest_leaves_all_open():
    """CPU time that an idle worker takes from the others cannot be put in a margin."""
    restless = line("candidate", 0.1, 0.1, 0.1, idle_cpu_share=0.5)
    limited = judged(restless)
    assert limited.verdict == "INCONCLUSIVE"
    assert "used 50% of a core" in limited.message


def test_a_bias_in_one_cell_limits_the_others():
    """The worst A/A row that is FASTER or SLOWER is the margin of the whole run."""
    lines = [
        GOOD, line("candidate", 0.95, 0.94, 0.96), line("candidate", 0.5, 0.49, 0.51),
        line("a/a", 1.05, 1.04, 1.07, workload="T2"),
    ]  # fmt: skip
    wrong = biased(lines)
    assert wrong is lines[-1]
    assert [limited.verdict for limited in limit_run(lines, wrong)] == [
        "SAME", "INCONCLUSIVE", "FASTER", "SLOWER",
    ]  # fmt: skip
    assert biased(lines[:-1]) is None
    assert biased([WIDE]) is None

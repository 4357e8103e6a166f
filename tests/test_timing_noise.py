"""Rounds are flagged for disturbances by other processes, not for a library's own threads."""

from __future__ import annotations

import pytest

from embcheck.conformance.timing.clock.noise import drifts, flag_rounds
from embcheck.conformance.timing.clock.schedule import Block, Round

QUIET = {
    "wall_seconds": 0.1,
    "harness_seconds": 0.01,
    "busy_seconds": 0.1,
    "steal": 0.0,
    "pressure": 0.01,
    "cores": 2,
}


def a_round(switches=0, others=0, **noise):
    """Return a round of 0.1 s with two arms; one of them is the sentinel."""
    blocks = {
        "sentinel": (Block(1, 0.02, 0.02, switches), Block(1, 0.02, 0.02, switches)),
        "pool": (Block(1, 0.02, 0.02, others), Block(1, 0.02, 0.02, others)),
    }
    return Round(("sentinel", "pool"), blocks, {**QUIET, **noise})


def flags_of(*rounds):
    """Return the flags of rounds whose sentinel has one thread."""
    return flag_rounds(rounds, ["sentinel"])


@pytest.mark.parametrize(
    ("round_", "found"),
    [
        (a_round(), []),
        (a_round(steal=0.05), ["steal"]),
        (a_round(pressure=0.5), ["pressure"]),
        (a_round(switches=3), ["switches"]),
        (a_round(others=30), []),
    ],
)
def test_a_round_is_flagged_by_itself(round_, found):
    """A disturbed round is flagged, but not for context switches of an arm with many threads."""
    assert flags_of(a_round(), round_, a_round()) == [[], found, []]


def test_a_lost_sentinel_tells_nothing():
    """Without the sentinel, context switches flag no round."""
    assert flag_rounds([a_round(others=30)], []) == [[]]


def test_one_tick_more_is_no_foreign_use():
    """Differences of one tick of the kernel's clock flag no round."""
    noisy = [a_round(busy_seconds=seconds) for seconds in (0.11, 0.1, 0.09, 0.11, 0.09) * 4]
    assert flags_of(*noisy) == [[]] * 20


def test_foreign_use_flags_the_stretch_that_it_was_in():
    """Half a second in which other processes used a quarter of the cores is flagged.

    A rest at the end that is too short for a stretch of its own belongs to the last one.
    """
    quiet, shared = [a_round()] * 5, [a_round(busy_seconds=0.15)] * 5
    assert flags_of(*quiet, *shared) == [[]] * 5 + [["foreign"]] * 5
    assert flags_of(*quiet, *shared, *shared[:3]) == [[]] * 5 + [["foreign"]] * 8


def test_waking_helpers_is_our_own_doing():
    """CPU time of a worker's threads before a block does not count as foreign."""
    blocks = (Block(1, 0.02, 0.02, untimed_cpu_seconds=0.03),) * 2
    noisy = Round(("pool",), {"pool": blocks}, {**QUIET, "busy_seconds": 0.11})
    assert flag_rounds([noisy] * 10, []) == [[]] * 10


def test_without_the_kernels_figures_nothing_is_foreign():
    """Without /proc/stat no round is flagged as foreign."""
    noise = {name: QUIET[name] for name in ("wall_seconds", "harness_seconds", "cores")}
    assert flag_rounds([Round(("a",), {"a": a_round().blocks["pool"]}, noise)], ["a"]) == [[]]


def test_a_sentinel_that_drifts_flags_its_rounds():
    """A round whose sentinel is more than 10 % off the median is flagged."""
    assert drifts([0.0, 0.05, -0.05, 0.2, -0.2]) == [False, False, False, True, True]
    assert drifts([]) == []

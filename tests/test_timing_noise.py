"""Rounds are flagged for disturbances by other processes, never for a library's own threads."""

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
    """Return a round of 0.1 s with two arms, of which one is the sentinel."""
    blocks = {
        "sentinel": (Block(1, 0.02, 0.02, switches), Block(1, 0.02, 0.02, switches)),
        "pool": (Block(1, 0.02, 0.02, others), Block(1, 0.02, 0.02, others)),
    }
    return Round(("sentinel", "pool"), blocks, {**QUIET, **noise})


def flags_of(*rounds):
    """Return what flags rounds, the sentinel being of one thread."""
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
    """Not for switches of an arm of many threads, which push each other."""
    assert flags_of(a_round(), round_, a_round()) == [[], found, []]


def test_a_lost_sentinel_tells_nothing():
    """Its switches are not known then, and those of others say nothing."""
    assert flag_rounds([a_round(others=30)], []) == [[]]


def test_one_tick_more_is_no_foreign_use():
    """A tick of the kernel's clock, or two, may be counted in one round of those that it was in."""
    noisy = [a_round(busy_seconds=seconds) for seconds in (0.11, 0.1, 0.09, 0.11, 0.09) * 4]
    assert flags_of(*noisy) == [[]] * 20


def test_foreign_use_flags_the_stretch_that_it_was_in():
    """Half a second in which others used a quarter of both cores, after one in which they did not.

    What is left at the end is too short to stand alone, and belongs to the last stretch.
    """
    quiet, shared = [a_round()] * 5, [a_round(busy_seconds=0.15)] * 5
    assert flags_of(*quiet, *shared) == [[]] * 5 + [["foreign"]] * 5
    assert flags_of(*quiet, *shared, *shared[:3]) == [[]] * 5 + [["foreign"]] * 8


def test_waking_helpers_is_our_own_doing():
    """What a worker's threads burn before a block, outside the clock, is not foreign."""
    blocks = (Block(1, 0.02, 0.02, untimed_cpu_seconds=0.03),) * 2
    noisy = Round(("pool",), {"pool": blocks}, {**QUIET, "busy_seconds": 0.11})
    assert flag_rounds([noisy] * 10, []) == [[]] * 10


def test_without_the_kernels_figures_nothing_is_foreign():
    """Without /proc/stat nothing is flagged."""
    noise = {name: QUIET[name] for name in ("wall_seconds", "harness_seconds", "cores")}
    assert flag_rounds([Round(("a",), {"a": a_round().blocks["pool"]}, noise)], ["a"]) == [[]]


def test_a_sentinel_that_drifts_flags_its_rounds():
    """A round whose sentinel is more than 10 % off the median is flagged, in both directions."""
    assert drifts([0.0, 0.05, -0.05, 0.2, -0.2]) == [False, False, False, True, True]
    assert drifts([]) == []

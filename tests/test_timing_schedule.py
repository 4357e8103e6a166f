"""The schedule: orders, calls in a block, and rounds, with simulated clocks."""

from __future__ import annotations

from itertools import islice

import pytest
from timing_simulation import Machine

from embcheck.conformance.timing.clock.calibrate import MAX_CALLS, calibrate
from embcheck.conformance.timing.clock.machine import (
    CpuTimes,
    last_level_cache_bytes,
    parse_cpu_times,
    parse_pressure,
    pressure_seconds,
)
from embcheck.conformance.timing.clock.schedule import (
    ArmLost,
    Block,
    Plan,
    orders,
    run_rounds,
    seed_of,
    shuffled,
)


def test_one_seed_gives_one_schedule():
    """Orders depend only on the seed."""
    arms = ["a", "b", "c", "d"]
    first, again, other = (list(islice(orders(arms, seed), 20)) for seed in (1, 1, 2))
    assert first == again != other
    assert all(sorted(order) == arms for order in first)
    assert len(set(first)) > 5


def test_a_seed_depends_on_every_part_of_a_cell():
    """Each part of a cell changes its seed, which is the same in every process."""
    assert seed_of(0, "R1", "hot", 1) == 183407515449153244
    assert (
        len({seed_of(0, "R1", "hot", 1), seed_of(1, "R1", "hot", 1), seed_of(0, "R1", "hot")}) == 3
    )


def test_setting_up_is_in_another_order_each_time():
    """Each seed gives its own order of all names."""
    names = ["a", "b", "c", "d"]
    found = [shuffled(names, seed) for seed in range(20)]
    assert found == [shuffled(names, seed) for seed in range(20)]
    assert all(sorted(order) == names for order in found)
    assert {order[0] for order in found} == set(names)


def test_a_round_visits_every_arm_there_and_back():
    """A round times the arms in an order and then in its reverse."""
    visited = []
    machine = Machine({"a": 1.0, "b": 1.0, "c": 1.0})

    def measure(arm):
        visited.append(arm)
        return machine.measure(arm)

    rounds = _run(measure, Plan(seconds=0.0, half_widths={}, min_rounds=3), machine)
    expected = [arm for round_ in rounds for arm in (*round_.order, *reversed(round_.order))]
    assert len(rounds) == 3
    assert visited == expected


def test_rounds_end_when_the_interval_is_narrow():
    """A quiet machine stops after the 12 rounds that are the minimum."""
    machine = Machine({"a": 1.0, "b": 2.0}, noise=0.001)
    assert len(machine.rounds(Plan(seconds=1000.0, half_widths={}))) == 12


def test_rounds_end_when_the_time_is_up():
    """A noisy machine stops soon after its time is up."""
    machine = Machine({"a": 1.0, "b": 1.0}, noise=0.5)
    rounds = machine.rounds(Plan(seconds=1.0, half_widths={}))
    assert len(rounds) > 12
    assert 1.0 <= machine.now < 1.5


def test_a_difference_is_no_reason_to_stop():
    """Rounds continue while the interval is wide, even if the difference is clear."""
    machine = Machine({"a": 1.0, "b": 3.0}, noise=0.2)
    assert len(machine.rounds(Plan(seconds=1.0, half_widths={}))) > 20


def test_an_arm_that_dies_leaves_the_others_running():
    """A lost arm is reported with its reason, and is in no later round."""
    machine = Machine({"a": 1.0, "b": 1.0, "c": 1.0})
    lost = {}
    rounds = _run(_dying(machine, "b", after=5), Plan(0.0, {}, 12), machine, lost)
    assert str(lost["b"]) == "crashed"
    assert len(rounds) == 12
    assert set(rounds[-1].blocks) == {"a", "c"}


def test_nothing_is_timed_without_the_reference():
    """Rounds end when the reference dies."""
    machine = Machine({"a": 1.0, "b": 1.0, "c": 1.0})
    lost = {}
    rounds = _run(_dying(machine, "a", after=5), Plan(0.0, {}, 12), machine, lost)
    assert set(lost) == {"a"}
    assert len(rounds) < 12


def test_a_fast_call_is_repeated_until_a_block_lasts():
    """A call of a microsecond is repeated 4,000 times in a block, found in few steps."""
    found = calibrate(lambda calls: calls * 1e-6, timer_seconds=1e-7)
    assert found.calls == 4000
    assert len(found.steps) <= 6


def test_a_slow_call_is_a_block_of_its_own():
    """A call of 20 ms is a block of its own."""
    found = calibrate(lambda calls: calls * 0.02, timer_seconds=1e-7)
    assert found.calls == 1
    assert set(found.steps) == {(1, 0.02)}


def test_an_interruption_does_not_shorten_the_blocks():
    """A block that was long only by an interruption is timed again."""
    times = iter([1e-6, 0.05])
    found = calibrate(lambda calls: next(times, calls * 1e-6), timer_seconds=1e-7)
    assert found.calls == 4000


def test_a_coarse_clock_makes_longer_blocks():
    """A block takes at least 200 times as long as reading the clock."""
    assert calibrate(lambda calls: calls * 0.001, timer_seconds=0.001).calls == 200


def test_a_slow_first_block_does_not_shorten_the_others():
    """The first call, which may compile, does not decide the length of blocks."""
    times = iter([0.0015])
    found = calibrate(lambda calls: next(times, calls * 1e-5), timer_seconds=1e-7)
    assert found.calls == pytest.approx(400, rel=0.01)


def test_a_call_that_takes_no_time_is_not_repeated_for_ever():
    """Calibration stops at the largest number of calls."""
    assert calibrate(lambda _: 0.0, timer_seconds=0.0).calls == MAX_CALLS


def test_cpu_times_are_read_from_the_kernels_text():
    """CPU times are read from /proc/stat as busy, idle and stolen seconds."""
    text = "cpu  100 10 40 1000 50 5 15 7 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
    assert parse_cpu_times(text, 100) == CpuTimes(busy=1.7, idle=10.5, steal=0.07)


def test_pressure_is_read_from_the_kernels_text():
    """Pressure is the total of the `some` line in seconds."""
    text = "some avg10=61.68 avg60=16.49 avg300=12.87 total=130161279\nfull avg10=0.00 total=0\n"
    assert parse_pressure(text) == 130.161279
    assert pressure_seconds() is None or pressure_seconds() >= 0


def test_the_last_level_cache_is_the_largest_level(tmp_path):
    """The last-level cache is the one with the highest level."""
    for index, (level, size) in enumerate([(1, "32K"), (1, "48K"), (3, "8192K"), (2, "2048K")]):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        (folder / "level").write_text(f"{level}\n")
        (folder / "size").write_text(f"{size}\n")
    assert last_level_cache_bytes(tmp_path) == 8192 * 1024
    assert last_level_cache_bytes(tmp_path / "none") is None


def _run(measure, plan, machine, lost=None):
    lost = {} if lost is None else lost
    return run_rounds(
        ["a", "b", "c"],
        "a",
        measure,
        plan=plan,
        seed=1,
        clock=lambda: machine.now,
        watch=lambda: dict,
        lost=lost.__setitem__,
    )


def _dying(machine, victim, after):
    calls = []

    def measure(arm) -> Block:
        calls.append(arm)
        if arm == victim and calls.count(victim) > after:
            raise ArmLost("crashed")
        return machine.measure(arm)

    return measure

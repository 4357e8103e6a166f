"""Ratios, intervals and verdicts on simulated machines with known true ratios."""

from __future__ import annotations

import math

import numpy as np
import pytest
from timing_simulation import Machine, compare, compare_all, generations, verdicts

from embcheck.conformance.timing.clock.schedule import A_A_HALF_WIDTH, Plan
from embcheck.conformance.timing.statistics.estimate import (
    Conclusion,
    Estimate,
    conclude,
    estimate,
    fold,
    interval,
    withstand,
)

PLAN = Plan(seconds=2.0, half_widths={})


def test_the_same_code_twice_is_never_called_different():
    """An A/A comparison under noise is SAME, or rarely INCONCLUSIVE, and nothing else."""
    found = verdicts(1.0, 60, PLAN, noise=0.03, spikes=0.05, half_width=A_A_HALF_WIDTH)
    assert set(found) <= {Conclusion.SAME, Conclusion.INCONCLUSIVE}
    assert found.count(Conclusion.SAME) >= 57


@pytest.mark.parametrize(("cost", "expected"), [(1.1, "SLOWER"), (1 / 1.1, "FASTER")])
def test_ten_percent_are_found(cost, expected):
    """A planted difference of 10 % is found, in either direction, at least 95 % of the time."""
    found = verdicts(cost, 100, PLAN, noise=0.03, spikes=0.05)
    assert found.count(Conclusion(expected)) >= 95


def test_a_small_difference_is_never_given_the_wrong_sign():
    """A planted 5 % under strong noise is SLOWER or INCONCLUSIVE, never FASTER or SAME."""
    found = verdicts(1.05, 60, Plan(seconds=0.5, half_widths={}), noise=0.10, spikes=0.1)
    assert Conclusion.FASTER not in found
    assert Conclusion.SAME not in found


@pytest.mark.parametrize(
    "slowness",
    [
        pytest.param(lambda now: 1 + now, id="drift"),
        pytest.param(lambda now: 1.0 if now < 0.2 else 1.5, id="step"),
        pytest.param(lambda now: 3.0 if int(now * 10) % 7 == 0 else 1.0, id="bursts"),
    ],
)
def test_a_machine_that_changes_its_pace_does_not_bias_a_ratio(slowness):
    """A drift, a step or bursts of the machine's speed do not bias a ratio."""
    machine = Machine({"a": 1.0, "b": 1.0, "c": 1.2}, noise=0.01, slowness=slowness)
    rounds = machine.rounds(PLAN)
    assert compare(rounds, "b", "a").ratio == pytest.approx(1.0, abs=0.02)
    assert compare(rounds, "c", "a").ratio == pytest.approx(1.2, abs=0.024)


def test_a_linear_drift_within_a_round_cancels():
    """In ABBA order, a linear drift cancels."""
    there_and_back = np.array([[1.0, 1.3], [1.1, 1.2]])
    first, second = fold(there_and_back)
    assert first == pytest.approx(second, abs=0.008)


CHANGES = {
    "steady": lambda _: 1.0,
    "drift": lambda now: 1 + now,
    "step": lambda now: 1.0 if now < 0.2 else 1.5,
    "bursts": lambda now: 3.0 if int(now * 10) % 7 == 0 else 1.0,
}


@pytest.mark.parametrize("effect", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("slowness", CHANGES)
@pytest.mark.parametrize("spikes", [0.0, 0.1])
def test_intervals_cover_the_truth(slowness, spikes, effect):
    """The 95 % interval covers the true ratio at least 93 % of the time, on any machine.

    Runs have three generations of four rounds, the fewest allowed. `effect` is the standard
    deviation of a process's own offset, which lasts as long as the process.
    """
    plan = Plan(seconds=0.0, half_widths={}, min_rounds=4)
    how = {"noise": 0.05, "spikes": spikes, "slowness": CHANGES[slowness]}
    covered = 0
    for seed in range(150):
        rounds = generations(3, plan, seed, effect, {"a": 1.0, "b": 1.25}, **how)
        found = compare_all(rounds, "b", "a")
        covered += found.low <= 1.25 <= found.high
    assert covered >= 140


def test_a_bootstrap_of_three_generations_would_cover_too_little():
    """A bootstrap of three generations covers the true ratio only about 75 % of the time.

    Its interval reaches at most from the smallest of their ratios to the largest. So Student's t is
    used.
    """
    plan = Plan(seconds=0.0, half_widths={}, min_rounds=4)
    covered = 0
    for seed in range(200):
        rounds = generations(3, plan, seed, 0.05, {"a": 1.0, "b": 1.25}, noise=0.01)
        middles = [float(np.log(compare(one, "b", "a").ratio)) for one in rounds]
        covered += min(middles) <= np.log(1.25) <= max(middles)
    assert covered < 170


def test_stopping_on_precision_does_not_narrow_intervals_too_much():
    """Rounds that stop when precise still cover the true ratio at least 93 % of the time."""
    plan = Plan(seconds=0.5, half_widths={}, min_rounds=4)
    how = {"noise": 0.05, "spikes": 0.1, "half_width": 0.035}
    covered = 0
    for seed in range(200):
        rounds = generations(3, plan, seed, 0.01, {"a": 1.0, "b": 1.25}, **how)
        found = compare_all(rounds, "b", "a")
        covered += found.low <= 1.25 <= found.high
    assert covered >= 186


def test_the_order_of_the_backends_does_not_matter():
    """With the arms in another order, each ratio lies within the first interval."""
    costs = {"a": 1.0, "b": 1.25, "c": 0.5, "d": 3.0}
    plan = Plan(seconds=0.0, half_widths={}, min_rounds=8)
    turned = dict(reversed(costs.items()))
    first, second = (generations(3, plan, 1, 0.0, arms, noise=0.03) for arms in (costs, turned))
    for arm in "bcd":
        found = compare_all(first, arm, "a")
        assert found.low <= compare_all(second, arm, "a").ratio <= found.high


@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (30, 2.0423)]
)
def test_student_is_as_in_the_tables(freedom, expected):
    """An interval over generations uses the two-sided 95 % points of Student's t."""
    low, high = (math.log(x) for x in interval(0.5, np.full(9, 0.5), 0.01, freedom, 0.95))
    assert [low, high] == pytest.approx([0.5 - 0.01 * expected, 0.5 + 0.01 * expected], abs=5e-7)
    found = Estimate(1.0, 1.0, 1.0, np.zeros(9), 0.01, freedom + 1, freedom)
    assert found.doubt(Conclusion.SLOWER, math.expm1(-0.01 * expected)) == pytest.approx(
        0.05, abs=2e-5
    )


def test_a_doubt_is_where_the_interval_meets_the_margin():
    """A conclusion that the 95 % interval just allows has a p-value of 5 %."""
    middles = np.log([1.08, 1.10, 1.13])
    found = estimate([np.full(9, middle) for middle in middles])
    margin = found.low - 1
    assert found.doubt(Conclusion.SLOWER, margin) == pytest.approx(0.05, abs=1e-3)
    assert found.doubt(Conclusion.SLOWER, margin / 2) < 0.05 < found.doubt(Conclusion.SAME)
    assert found.doubt(Conclusion.FASTER) > 0.9


def test_a_large_difference_stands_in_a_large_table():
    """A clear difference is significant among a thousand comparisons."""
    random = np.random.default_rng(2)
    found = estimate([random.normal(0.7, 0.02, 20) for _ in range(5)])
    assert found.doubt(Conclusion.SLOWER) < 0.05 / 1000


def test_many_comparisons_ask_for_more():
    """The false discovery rate is limited by the Benjamini-Hochberg procedure."""
    assert withstand([0.04]) == [True]
    assert withstand([0.06, 0.04]) == [False, False]
    assert withstand([0.06, 0.02]) == [False, True]
    assert withstand([0.04, 0.04]) == [True, True]
    assert withstand([0.004, 0.0095, 0.5] + [1.0] * 7) == [True, True, False] + [False] * 7
    assert withstand([0.006] + [1.0] * 9) == [False] * 10
    assert withstand([]) == []


def test_of_what_is_called_different_hardly_any_is_not():
    """On average at most 5 % of the verdicts are wrong.

    Of twenty comparisons that share a reference, five are of different work; at least 80 % of the
    five are found.
    """
    shares, found = [], 0
    random = np.random.default_rng(6)
    truth = [0.3] * 5 + [0.0] * 15
    for _ in range(100):
        shared = [random.normal(0, 0.02, 6) for _ in range(3)]
        runs = [[random.normal(t, 0.02, 6) - part for part in shared] for t in truth]
        estimates = [estimate(run, resamples=200) for run in runs]
        doubts = [one.doubt(conclude(one, 0.0), 0.0) for one in estimates]
        held = withstand(doubts)
        found += sum(held[:5])
        shares.append(sum(held[5:]) / max(1, sum(held)))
    assert np.mean(shares) <= 0.05
    assert found >= 400


def test_among_many_equal_backends_none_is_called_different():
    """With twenty A/A comparisons a run, at most 5 % of the runs call any of them different.

    There is no margin, so that only the correction prevents verdicts by chance.
    """
    wrong = 0
    random = np.random.default_rng(5)
    for _ in range(100):
        found = [
            estimate([random.normal(0, 0.02, 6) for _ in range(5)], resamples=1000)
            for _ in range(20)
        ]
        sides = [conclude(one, 0.0) for one in found]
        doubts = [one.doubt(side, 0.0) for one, side in zip(found, sides, strict=True)]
        wrong += any(withstand(doubts))
    assert wrong <= 5


def test_the_same_samples_give_the_same_interval():
    """The same samples give the same estimate, since the bootstrap has a fixed seed."""
    samples = np.random.default_rng(3).normal(0.1, 0.02, 20)
    assert estimate([samples]) == estimate([samples.copy()])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.50, 0.60, Conclusion.FASTER),
        (0.95, 0.969, Conclusion.FASTER),
        (0.98, 1.02, Conclusion.SAME),
        (0.90, 0.99, Conclusion.INCONCLUSIVE),
        (1.01, 1.09, Conclusion.INCONCLUSIVE),
        (0.90, 1.10, Conclusion.INCONCLUSIVE),
        (1.04, 1.09, Conclusion.SLOWER),
    ],
)
def test_a_verdict_needs_an_interval_that_clears_the_margin(low, high, expected):
    """FASTER and SLOWER need an interval beyond 3 %, SAME one within it."""
    assert conclude(Estimate((low * high) ** 0.5, low, high)) is expected


def test_swapping_the_two_swaps_the_verdict():
    """Swapping the two backends swaps FASTER and SLOWER."""
    assert conclude(Estimate(1.05, 1.031, 1.07)) is Conclusion.SLOWER
    assert conclude(Estimate(1 / 1.05, 1 / 1.07, 1 / 1.031)) is Conclusion.FASTER

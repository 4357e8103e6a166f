"""Ratios, intervals and verdicts, on simulated machines whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from timing_simulation import Machine, compare, verdicts

from embcheck.conformance.timing.estimate import Conclusion, Estimate, conclude, estimate, fold
from embcheck.conformance.timing.schedule import A_A_HALF_WIDTH, Plan

PLAN = Plan(seconds=2.0, half_widths={})


def test_the_same_code_twice_is_never_called_different():
    """An A/A comparison under noise and spikes comes out SAME, or at worst INCONCLUSIVE."""
    found = verdicts(1.0, 60, PLAN, noise=0.03, spikes=0.05, half_width=A_A_HALF_WIDTH)
    assert set(found) <= {Conclusion.SAME, Conclusion.INCONCLUSIVE}
    assert found.count(Conclusion.SAME) >= 57


@pytest.mark.parametrize(("cost", "expected"), [(1.1, "SLOWER"), (1 / 1.1, "FASTER")])
def test_ten_percent_are_found(cost, expected):
    """A planted difference of 10 % is found, in either direction, at least 95 times of 100."""
    found = verdicts(cost, 100, PLAN, noise=0.03, spikes=0.05)
    assert found.count(Conclusion(expected)) >= 95


def test_a_small_difference_is_never_given_the_wrong_sign():
    """A planted 5 % is SLOWER or INCONCLUSIVE under strong noise, never FASTER."""
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
    """Rounds there and back fold a drift; a step or a burst touches few of them."""
    machine = Machine({"a": 1.0, "b": 1.0, "c": 1.2}, noise=0.01, slowness=slowness)
    rounds = machine.rounds(PLAN)
    assert compare(rounds, "b", "a").ratio == pytest.approx(1.0, abs=0.02)
    assert compare(rounds, "c", "a").ratio == pytest.approx(1.2, abs=0.024)


def test_a_linear_drift_within_a_round_cancels():
    """A B B A under a clock that slows down linearly gives equal folded times, noise apart."""
    there_and_back = np.array([[1.0, 1.3], [1.1, 1.2]])
    first, second = fold(there_and_back)
    assert first == pytest.approx(second, abs=0.008)


@pytest.mark.parametrize("rounds", [12, 24, 48])
@pytest.mark.parametrize("spikes", [0.0, 0.1])
def test_intervals_cover_the_truth(rounds, spikes):
    """The 95 % interval holds the true ratio at least 90 times of 100, even over twelve rounds."""
    plan = Plan(seconds=0.0, half_widths={}, min_rounds=rounds)
    covered = 0
    for seed in range(200):
        machine = Machine({"a": 1.0, "b": 1.25}, seed=seed, noise=0.05, spikes=spikes)
        found = compare(machine.rounds(plan, seed), "b", "a")
        covered += found.low <= 1.25 <= found.high
    assert covered >= 180


def test_the_same_samples_give_the_same_interval():
    """The bootstrap has a fixed seed: an estimate is a function of its samples."""
    samples = np.random.default_rng(3).normal(0.1, 0.02, 20)
    assert estimate(samples) == estimate(samples.copy())


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
    """FASTER and SLOWER clear 3 %, SAME lies within it, all else is INCONCLUSIVE."""
    assert conclude(Estimate((low * high) ** 0.5, low, high)) is expected


def test_swapping_the_two_swaps_the_verdict():
    """The margin is the same in both directions: 1/ratio turns SLOWER into FASTER."""
    assert conclude(Estimate(1.05, 1.031, 1.07)) is Conclusion.SLOWER
    assert conclude(Estimate(1 / 1.05, 1 / 1.07, 1 / 1.031)) is Conclusion.FASTER

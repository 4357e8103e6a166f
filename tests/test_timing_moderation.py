"""Moderated variances: each interval is narrowed by what a backend's other cells show."""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.conformance.timing.statistics.estimate import Conclusion, estimate
from embcheck.conformance.timing.statistics.moderation import learn, moderate

CELLS, GENERATIONS = 12, 3


def cells(seed, deviations, generations=GENERATIONS):
    """Return a backend's estimates in cells where its true ratio is 1, with a noisy reference."""
    random = np.random.default_rng(seed)
    found = []
    for deviation in deviations:
        own, other = random.normal(0, deviation, generations), random.normal(0, 0.02, generations)
        rounds = [random.normal(a - b, 0.01, 8) for a, b in zip(own, other, strict=True)]
        found.append(estimate(rounds, resamples=20))
    return found


def covered(found):
    """Return the share of intervals that contain 1."""
    return np.mean([one.low <= 1 <= one.high for one in found])


def width(found):
    """Return the mean half width."""
    return np.mean([one.half_width for one in found])


@pytest.mark.parametrize(
    ("deviations", "least", "narrower"),
    [
        pytest.param([0.05] * CELLS, 0.93, 0.75, id="alike"),
        pytest.param([0.02] * 4, 0.93, 0.75, id="few"),
        pytest.param([0.02] * 8 + [0.08] * 4, 0.85, 1.0, id="two kinds"),
        pytest.param([0.02] * 11 + [0.20], 0.90, 0.95, id="one wild"),
        pytest.param(np.geomspace(0.01, 0.16, CELLS), 0.85, 0.95, id="each its own"),
    ],
)
def test_moderated_intervals_cover_the_truth(deviations, least, narrower):
    """Moderated intervals cover the true ratio at least 93 % of the time, and are narrower.

    `least` is the least coverage for the noisiest cells. It is lower, because a moderated interval
    assumes that its cell is like the others.
    """
    before, after, wildest = [], [], []
    for seed in range(200):
        found = cells(seed, deviations)
        moderated = moderate(found)
        before, after = before + found, after + moderated
        wildest += [
            one for one, d in zip(moderated, deviations, strict=True) if d == max(deviations)
        ]
    assert covered(after) >= 0.93
    assert covered(wildest) >= least
    assert width(after) < narrower * width(before)


def test_what_has_nothing_in_common_stands_alone():
    """Variances of all magnitudes share almost no degrees of freedom."""
    random = np.random.default_rng(3)
    variances = np.exp(random.normal(0, 4, 60)) * random.chisquare(2, 60)
    assert learn(variances.tolist(), 2).freedom < 1


def test_what_is_learnt_is_worth_no_more_than_there_is():
    """The shared degrees of freedom are at most those of all cells together."""
    found = moderate(cells(1, [0.05] * CELLS))
    assert 2 < max(one.freedom for one in found) <= 2 + 2 * CELLS
    variances = [one.error**2 * GENERATIONS for one in cells(1, [0.05] * CELLS)]
    assert learn([1.0] * CELLS, 2).freedom == 2 * CELLS
    assert min(variances) < learn(variances, 2).variance < max(variances)


def test_of_few_comparisons_nothing_is_learnt():
    """Three cells, one generation, or cells without variance are left as they are."""
    found = cells(1, [0.05] * CELLS)
    assert moderate(found[:3]) == found[:3]
    single = cells(1, [0.05] * CELLS, generations=1)
    assert moderate(single) == single
    equal = [estimate([np.zeros(8)] * 3)] * 8
    assert moderate(equal) == equal
    assert moderate([]) == []


def test_a_cell_with_fewer_generations_is_left_as_it_is():
    """Cells with fewer generations than the others are not moderated."""
    whole, short = cells(1, [0.05] * CELLS), cells(2, [0.05] * 3, generations=2)
    found = moderate([*whole, *short])
    assert found[CELLS:] == short
    assert any(one.freedom > GENERATIONS - 1 for one in found[:CELLS])


def test_a_moderated_doubt_is_where_its_interval_ends():
    """A conclusion that the moderated interval just allows has a p-value of 5 %."""
    shifts = np.random.default_rng(8).normal(0, 0.01, (8, 3))
    found = moderate([estimate([np.full(9, 0.1 + shift) for shift in row]) for row in shifts])[0]
    assert found.freedom > GENERATIONS - 1
    assert found.doubt(Conclusion.SLOWER, found.low - 1) == pytest.approx(0.05, abs=2e-3)

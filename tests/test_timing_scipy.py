"""Our own statistics have SciPy's values, so that SciPy's may take their place."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import digamma, polygamma, stdtr, stdtrit
from scipy.stats import false_discovery_control, mannwhitneyu, rankdata

from embcheck.conformance.timing.statistics import moderation, student
from embcheck.conformance.timing.statistics.estimate import withstand
from embcheck.conformance.timing.statistics.ranks import chance_of_order

CLOSE = 2e-10
SERIES = 2e-9
"""Our derivatives of the gamma function end their series early: SciPy's are the better ones."""


@pytest.mark.parametrize("freedom", [*range(1, 61), 100, 300])
def test_student(freedom):
    """Quantiles and upper tails, of as many degrees of freedom as a run has."""
    for level in (0.5, 0.9, 0.95, 0.99, 0.9995):
        wanted = stdtrit(freedom, (1 + level) / 2)
        assert student.quantile(level, freedom) == pytest.approx(wanted, rel=CLOSE)
    for t in (-30.0, -3.0, -0.5, 0.0, 0.1, 1.0, 2.5, 10.0, 40.0):
        assert student.above(t, freedom) == pytest.approx(stdtr(freedom, -t), abs=CLOSE)


def test_derivatives_of_the_gamma_function():
    """From near zero to far beyond what a run's degrees of freedom are."""
    for x in np.geomspace(1e-3, 1e4, 200):
        assert moderation.digamma(x) == pytest.approx(digamma(x), rel=SERIES, abs=SERIES)
        assert moderation.trigamma(x) == pytest.approx(float(polygamma(1, x)), rel=SERIES)


def test_the_inverse_of_trigamma():
    """Where the trigamma function has a value."""
    for value in np.geomspace(1e-4, 1e4, 50):
        log = brentq(lambda log, wanted=value: polygamma(1, np.exp(log)) - wanted, -14, 14)
        assert moderation._inverse_trigamma(value) == pytest.approx(math.exp(log), rel=SERIES)


def test_false_discoveries():
    """Of p-values of all magnitudes, with equal ones among them, the same ones are kept."""
    random = np.random.default_rng(1)
    kept = 0
    for _ in range(2000):
        doubts = [*(10.0 ** -random.uniform(0, 5, random.integers(1, 40))), 0.004, 0.004, 1.0, 0.0]
        held = withstand(doubts)
        kept += sum(held)
        assert held == (false_discovery_control(doubts) <= 1 - 0.95).tolist()
    assert 10_000 < kept < 50_000


def test_the_chance_of_an_order():
    """Of samples of all sizes that readings have, with ties among them."""
    random = np.random.default_rng(2)
    for _ in range(400):
        one, other = (random.integers(0, 30, random.integers(1, 41)) - 5.0 for _ in range(2))
        ranks = 2 * rankdata([*one, *other], "dense")
        first, second = ranks[: len(one)], ranks[len(one) :] + 1
        wanted = mannwhitneyu(first, second, alternative="greater", method="exact").pvalue
        assert chance_of_order(one, other) == pytest.approx(wanted, rel=CLOSE, abs=1e-300)

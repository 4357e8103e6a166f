"""Backends that return before their answer exists are found in spite of noise."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from calibration import readiness

from embcheck.conformance.execution.protocol.messages import WhichAnswer
from embcheck.conformance.timing.clock import gate
from embcheck.conformance.timing.clock.readiness import CHANCE, READINGS, unready
from embcheck.conformance.timing.clock.schedule import ArmLost
from embcheck.conformance.timing.statistics.ranks import chance_of_order


@pytest.mark.parametrize(("one", "other"), [(1, 1), (2, 3), (4, 4), (5, 2)])
def test_the_chance_of_an_order_is_counted(one, other):
    """The chance of an order is the share of orders in which one sample wins as often or more."""
    places = range(one + other)
    orders = [
        (first, [place for place in places if place not in first])
        for first in combinations(places, one)
    ]
    wins = [sum(mine > theirs for mine in a for theirs in b) for a, b in orders]
    for (a, b), won in zip(orders, wins, strict=True):
        wanted = sum(others >= won for others in wins) / len(orders)
        assert chance_of_order(a, b) == pytest.approx(wanted)


def test_ties_speak_for_nobody():
    """Equal readings are no evidence."""
    assert chance_of_order([1.0] * 8, [1.0] * 8) == 1.0


@pytest.mark.parametrize(
    ("late", "disturbed", "is_shown"),
    [(32, 7, True), (32, 9, False), (26, 0, True), (22, 0, False)],
)
def test_some_disturbed_readings_are_borne(late, disturbed, is_shown):
    """The evidence suffices if a fifth of the other readings are disturbed, and not much more."""
    fresh = [*[2.0] * late, *[0.0] * (READINGS - late)]
    others = [*[9.0] * disturbed, *[1.0] * (READINGS - disturbed)]
    assert (chance_of_order(fresh, others) <= CHANCE) is is_shown


@dataclass
class Simulated:
    """An arm on a machine where bursts of some readings take far longer than the others.

    `late` is how much later an answer exists, `unread` how much longer its first reading takes, and
    `noise` how often a burst begins.
    """

    seed: int
    noise: float = 0.2
    late: float = 0.0
    unread: float = 0.0
    device: str = "cpu"
    changed: int = 0
    reads: int = 0
    client: SimpleNamespace = field(init=False)

    def __post_init__(self):
        self._random = np.random.default_rng(self.seed)
        self._burst = 0
        self.client = SimpleNamespace(info=SimpleNamespace(device=self.device))

    def look_at_bytes(self, _):
        return self.changed, 5

    def read_at_once(self, _):
        return [1e-4] * 5, [self._noise() + self.late + self.unread for _ in range(5)]

    def read(self, _, answer, wait):
        assert wait >= 1e-3
        self.reads += 1
        late = self.late if answer is WhichAnswer.FRESH else 0.0
        unread = self.unread if answer is not WhichAnswer.READ else 0.0
        return self._noise() + late + unread

    def _noise(self):
        """Draw 2 us, or in bursts of some readings up to many milliseconds."""
        if self._burst == 0 and self._random.random() < self.noise:
            self._burst = int(self._random.integers(1, 40))
        self._burst = max(0, self._burst - 1)
        return 2e-6 + (self._random.pareto(1.1) * 1e-3 if self._burst else 0.0)


def _seen(arm):
    return unready(arm, lambda: False)


def test_noise_is_accused_as_rarely_as_counted():
    """Of suspicions caused by bursts of noise, few are confirmed by one worker."""
    arms = [Simulated(seed) for seed in range(2000)]
    accused = sum(_seen(arm) is not None for arm in arms)
    suspect = sum(arm.reads > 0 for arm in arms)
    assert suspect > 500
    assert accused <= 7


@pytest.mark.parametrize(("noise", "least"), [(0.0, 200), (0.02, 180), (0.2, 100)])
def test_what_is_late_is_seen_through_noise(noise, least):
    """An answer that is 2 ms late is found in most runs even in heavy noise."""
    said = [_seen(Simulated(seed, noise=noise, late=0.002)) for seed in range(200)]
    assert sum("before its answer existed" in (text or "") for text in said) >= least


def test_what_is_computed_when_read_is_told_apart():
    """An answer that takes long to read even after a wait is computed when it is read."""
    assert "only when it is first read" in _seen(Simulated(3, noise=0.0, unread=0.02))


def test_times_say_nothing_of_other_devices():
    """On a GPU, times of reading are no evidence, since reading is a copy; changed bytes are."""
    assert _seen(Simulated(1, late=1.0, device="cuda")) is None
    assert "bytes changed afterwards, in 2 of 5" in _seen(Simulated(1, device="cuda", changed=2))


def test_suspicion_in_one_worker_accuses_nobody(monkeypatch):
    """A suspicion counts only if it is confirmed in a second worker."""
    here, there = object(), SimpleNamespace(store=lambda _: None, hold=lambda *_: None)

    class Here:
        @contextmanager
        def another(self):
            yield there

    here = Here()
    inputs = SimpleNamespace(shared={})
    oracle = SimpleNamespace(traces=(SimpleNamespace(call=None),))
    said = {id(here): "it was late", id(there): None}
    monkeypatch.setattr(gate, "unready", lambda arm, _: said[id(arm)])
    assert gate.waits(here, inputs, oracle) is True
    said[id(there)] = "it was late"
    with pytest.raises(ArmLost, match="it was late; seen in two workers"):
        gate.waits(here, inputs, oracle)
    said[id(here)] = None
    assert gate.waits(here, inputs, oracle) is False


def test_the_measurement_counts_what_the_gate_says(tmp_path):
    """`calibration.readiness` accuses an honest backend at no gate, and an early one at all."""
    file = tmp_path / "readiness.json"
    names = ("numpy-reference", "zoo-copies-into-futures")
    readiness.main([*(w for n in names for w in ("--only", n)), "--gates", "2", "--out", str(file)])
    waiting, early = json.loads(file.read_text())
    assert (waiting["gates"], waiting["accused"], waiting["said"]) == (2, 0, {})
    assert (early["gates"], early["accused"]) == (2, 2)
    assert "before its answer existed" in next(iter(early["said"]))

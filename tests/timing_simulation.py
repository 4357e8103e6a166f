"""A simulated machine: arms with known costs and noise, and a clock that only they advance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from embcheck.conformance.records.details import ArmRecord
from embcheck.conformance.timing.clock.schedule import (
    HALF_WIDTH,
    Block,
    Plan,
    Round,
    run_rounds,
    seconds_per_call,
    seed_of,
)
from embcheck.conformance.timing.statistics.estimate import (
    Conclusion,
    Estimate,
    conclude,
    estimate,
    log_ratios,
)


def arm_record(backend, role, **more):
    """Return an arm's record of a generation, with empty details unless given."""
    plain = ArmRecord(backend, role, None, {}, {}, {}, 1, (), {}, None)
    return replace(plain, **more)


class Machine:
    """A machine whose blocks take 4 ms times the arm's cost, noise, and current slowness."""

    def __init__(
        self,
        costs: Mapping[str, float],
        seed: int | list[int] = 0,
        noise: float = 0.02,
        spikes: float = 0.0,
        slowness: Callable[[float], float] = lambda _: 1.0,
        half_width: float = HALF_WIDTH,
    ) -> None:
        self._half_width = half_width
        self.now = 0.0
        self._costs = costs
        self._noise = noise
        self._spikes = spikes
        self._slowness = slowness
        self._random = np.random.default_rng(seed)

    def measure(self, arm: str) -> Block:
        seconds = 0.004 * self._costs[arm] * np.exp(self._random.normal(0, self._noise))
        if self._random.random() < self._spikes:
            seconds *= 1 + self._random.exponential(1.0)
        seconds *= self._slowness(self.now)
        self.now += seconds
        return Block(1, seconds)

    def rounds(self, plan: Plan, seed: int = 0) -> list[Round]:
        return run_rounds(
            list(self._costs),
            next(iter(self._costs)),
            self.measure,
            plan=replace(plan, half_widths=dict.fromkeys(self._costs, self._half_width)),
            seed=seed,
            clock=lambda: self.now,
            watch=lambda: dict,
            lost=lambda *_: None,
        )


def compare(rounds: list[Round], arm: str, reference: str) -> Estimate:
    """Estimate the ratio of an arm to the reference over one generation."""
    return compare_all([rounds], arm, reference)


def compare_all(generations: list[list[Round]], arm: str, reference: str) -> Estimate:
    """Estimate the ratio of an arm to the reference over generations of workers."""
    return estimate(
        [
            log_ratios(seconds_per_call(rounds, arm), seconds_per_call(rounds, reference))
            for rounds in generations
        ],
        resamples=1000,
    )


def generations(
    count: int, plan: Plan, seed: int, effect: float, costs: Mapping[str, float], **machine: object
) -> list[list[Round]]:
    """Time arms in generations; in each, every arm's cost is multiplied by a random effect.

    `effect` is the standard deviation of the effect's logarithm.
    """
    found = []
    for generation in range(count):
        random = np.random.default_rng([seed, generation, 1])
        moved = {arm: cost * np.exp(random.normal(0, effect)) for arm, cost in costs.items()}
        simulated = Machine(moved, seed=[seed, generation], **machine)
        found.append(simulated.rounds(plan, seed_of(seed, generation)))
    return found


def verdicts(cost: float, trials: int, plan: Plan, **machine: object) -> list[Conclusion]:
    """Return the verdict of each of many simulated runs on an arm of a known relative cost."""
    found = []
    for seed in range(trials):
        simulated = Machine({"a": 1.0, "b": cost}, seed=seed, **machine)
        found.append(conclude(compare(simulated.rounds(plan, seed), "b", "a")))
    return found

"""How a run is timed: how many generations and rounds, for how long, against which baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from embcheck.conformance.timing.clock.arms import A_A, CANDIDATE
from embcheck.conformance.timing.clock.calibrate import BLOCK_SECONDS
from embcheck.conformance.timing.clock.schedule import (
    A_A_HALF_WIDTH,
    HALF_WIDTH,
    MIN_ROUNDS,
    Plan,
)

# Tests of the intervals' coverage use no fewer (docs/timing.md).
MIN_GENERATION_ROUNDS = 4
GENERATIONS = {"quick": 5, "full": 10, "gpu": 5}
"""Generations by profile. With three, the half-width of the interval over processes is 4.3 standard
errors, with five 2.8, with ten 2.3; but each generation imports every library again. In one
generation of ten, two processes that do the same work differ by 5 % or more."""


@dataclass(frozen=True)
class TimingSettings:
    """How a run is timed; `seconds` overrides the workloads' own time for a cell.

    `generations` overrides the profile's number of them. Rounds and seconds are for all of a
    cell's generations together. `baseline` names the backend that ratios are taken to, if the user
    chose one. `spelling` names another spelling of the call: backends whose adapter has it are
    timed by it. `scheme` is for backends that look up in stored tables only; without it, each
    stores the table by its first scheme. Without `ceilings` the machine's own rates are not
    measured, and figures are not compared with them.
    """

    profile: str = "quick"
    seed: int = 0
    seconds: float | None = None
    generations: int | None = None
    baseline: str | None = None
    spelling: str | None = None
    scheme: str | None = None
    min_rounds: int = MIN_ROUNDS
    half_width: float = HALF_WIDTH
    a_a_half_width: float = A_A_HALF_WIDTH
    block_seconds: float = BLOCK_SECONDS
    timeout: float = 60.0
    ceilings: bool = True

    @property
    def generation_count(self) -> int:
        """How many generations of workers time each cell."""
        return self.generations or GENERATIONS[self.profile]

    def plan(self, seconds: float, roles: Mapping[str, str]) -> Plan:
        """Return a generation's share of a cell's rounds; `roles` has the role of each arm's key.

        The interval of the mean over n generations is narrower than that of each by the root of n,
        so each may be wider than wanted by that factor.
        """
        count = self.generation_count
        wanted = {CANDIDATE: self.half_width, A_A: self.a_a_half_width}
        return Plan(
            (self.seconds or seconds) / count,
            {key: wanted[role] * count**0.5 for key, role in roles.items() if role in wanted},
            max(MIN_GENERATION_ROUNDS, math.ceil(self.min_rounds / count)),
        )

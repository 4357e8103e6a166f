"""The order of blocks, and when to stop: ABBA rounds, until precise enough."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.timing.statistics.estimate import LOOK_RESAMPLES, estimate, log_ratios

Item = TypeVar("Item")

MIN_ROUNDS = 12
HALF_WIDTH = 0.02
A_A_HALF_WIDTH = 0.01
"""A half-width of 2 % leaves little room for SAME within 3 %. All other verdicts depend on the A/A
row, so it needs a narrower interval."""


@dataclass(frozen=True)
class Block:
    """One reading of the clock: calls run in a row.

    Seconds are for the whole block. `switches` counts its involuntary context switches.
    `idle_seconds` is how long the worker waited before it, `idle_cpu_seconds` the CPU time that it
    used meanwhile, and `background_seconds` the part of that used by background threads.
    `untimed_cpu_seconds` is the CPU time to wake helper threads before the block and to let them
    rest after it.
    """

    calls: int
    seconds: float
    cpu_seconds: float = 0.0
    switches: int = 0
    idle_seconds: float = 0.0
    idle_cpu_seconds: float = 0.0
    background_seconds: float = 0.0
    untimed_cpu_seconds: float = 0.0

    @property
    def per_call(self) -> float:
        """Seconds of one call."""
        return self.seconds / self.calls


@dataclass(frozen=True)
class Round:
    """Every arm's two blocks (there and back), the order on the way there, and the noise."""

    order: tuple[str, ...]
    blocks: Mapping[str, tuple[Block, Block]]
    noise: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """The number of rounds: at least `min_rounds`, then until precise enough or out of time.

    `half_widths` says, for the arms whose precision counts, how narrow the interval is to be.
    """

    seconds: float
    half_widths: Mapping[str, float]
    min_rounds: int = MIN_ROUNDS


class ArmLost(Exception):
    """An arm cannot be timed (any further); the message says why, `exit_code` how severe it is."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.CONFORMS) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def seed_of(*parts: object) -> int:
    """Make a seed from a cell's name, the same in every process."""
    # Python's own hash of a text differs between processes.
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """Return items in a random order, which the seed determines."""
    return list(next(orders(items, seed)))


def orders(arms: Sequence[Item], seed: int) -> Iterator[tuple[Item, ...]]:
    """Yield random orders of the arms without end; the seed determines them."""
    generator = np.random.default_rng(seed)
    while True:
        yield tuple(arms[place] for place in generator.permutation(len(arms)))


def run_rounds(
    arms: Sequence[str],
    reference: str,
    measure: Callable[[str], Block],
    *,
    plan: Plan,
    seed: int,
    clock: Callable[[], float],
    watch: Callable[[], Callable[[], Mapping[str, Any]]],
    lost: Callable[[str, ArmLost], None],
) -> list[Round]:
    """Run rounds until the plan is fulfilled, or the baseline is lost.

    `measure` times one block of an arm, or raises ArmLost; then the arm is passed to `lost` and
    left out of later rounds. `watch` starts to observe the machine and returns a function that says
    what happened since.
    """
    rounds: list[Round] = []
    living = dict.fromkeys(arms)
    started = clock()
    next_look = plan.min_rounds
    drawn = orders(arms, seed)
    while reference in living:
        order = tuple(arm for arm in next(drawn) if arm in living)
        seen = watch()
        blocks: dict[str, list[Block]] = {arm: [] for arm in order}
        # There and back, so that a drift that is linear within the round cancels.
        for arm in (*order, *reversed(order)):
            if arm in living:
                try:
                    blocks[arm].append(measure(arm))
                except ArmLost as reason:
                    del living[arm]
                    lost(arm, reason)
        # An arm that was lost in this round has one block at most, and is left out of it.
        pairs = {arm: (blocks[arm][0], blocks[arm][1]) for arm in order if arm in living}
        rounds.append(Round(order, pairs, seen()))
        # No interval can be computed without the baseline.
        if len(rounds) < next_look or reference not in living:
            continue
        if clock() - started >= plan.seconds:
            break
        wanted = {arm: plan.half_widths[arm] for arm in living if arm in plan.half_widths}
        if precise(rounds, wanted, reference):
            break
        # Checks become rarer as rounds add up, since each check costs a bootstrap for each arm.
        next_look = len(rounds) + max(1, len(rounds) // 8)
    return rounds


def seconds_per_call(rounds: Sequence[Round], arm: str) -> list[tuple[float, float]]:
    """Return an arm's seconds per call, there and back, for each round."""
    return [
        (there.per_call, back.per_call) for there, back in (round_.blocks[arm] for round_ in rounds)
    ]


def precise(rounds: Sequence[Round], half_widths: Mapping[str, float], reference: str) -> bool:
    """Whether each arm's interval is narrow enough; significance must not stop the rounds.

    Only the interval over rounds counts: stopping when a few generations happen to agree would
    favour intervals that are too narrow.
    """
    base = seconds_per_call(rounds, reference)
    return all(
        estimate(
            [log_ratios(seconds_per_call(rounds, arm), base)], resamples=LOOK_RESAMPLES
        ).half_width
        <= wanted
        for arm, wanted in half_widths.items()
    )

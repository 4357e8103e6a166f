"""One trial: the same gather six times over, two of them with more rows, in fresh processes.

Extra work is planted as extra rows rather than as sleep, because sleep would not use the caches.
Rounds are those of a timing run, through the same workers, clock and schedule. In each generation
the arms are also timed one after another, as tools without rounds do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.timing.clock import machine
from embcheck.conformance.timing.clock.arms import A_A, SENTINEL, Arm
from embcheck.conformance.timing.clock.calibrate import BLOCK_SECONDS, calibrate
from embcheck.conformance.timing.clock.noise import flag_rounds
from embcheck.conformance.timing.clock.schedule import (
    A_A_HALF_WIDTH,
    run_rounds,
    seconds_per_call,
    seed_of,
    shuffled,
)
from embcheck.conformance.timing.clock.settings import GENERATIONS, TimingSettings
from embcheck.conformance.timing.clock.workers import DEFINITION, Workers

PLANTED = {"a": 0, "a2": 0, "a3": 0, "a4": 0, "five": 5, "ten": 10}
"""The arms, and by how many percent each gathers more rows than the first."""
SAME = [arm for arm, percent in PLANTED.items() if not percent]
PAIRS = (*((b, a) for a, b in combinations(SAME, 2)), ("five", "a"), ("ten", "a"))
"""The comparisons: an arm, and the arm that it is compared with."""
COLUMNS = 64
CHUNK = 100
SECONDS = 30.0
"""The time that the full profile allows for the rounds of a cell."""


@dataclass(frozen=True)
class State:
    """How large the table is, how many rows a call gathers, and how many traces take turns."""

    name: str
    rows: int
    lookups: int
    traces: int


@dataclass(frozen=True)
class Effort:
    """The effort of a trial; by default that of `embcheck bench --profile full` for a cell.

    `patience` is the share of a cell's `seconds` that the rounds may take. `sequential_blocks` are
    timed one after another; over all generations they are as many as pyperf takes values by
    default. `planted` names the arms, and by how many percent each gathers more rows than the
    first, which the others are compared with.
    """

    generations: int = GENERATIONS["full"]
    half_width: float = A_A_HALF_WIDTH
    block_seconds: float = BLOCK_SECONDS
    sequential_blocks: int = 6
    patience: float = 1.0
    seconds: float = SECONDS
    planted: Mapping[str, int] = field(default_factory=lambda: PLANTED)


def states() -> dict[str, State]:
    """Return two states: a table that fits the L2 cache, and one of four last-level caches."""
    cached = machine.last_level_cache_bytes() or 32 * 1024**2
    rows = 4 * cached // (COLUMNS * 4) + 1
    # Eight traces together touch twice the last-level cache, so no trace finds its rows cached.
    lookups = 2 * cached // (COLUMNS * 4) // 8
    return {
        "hot": State("hot", 1000, 2000, 1),
        "dram": State("dram", rows, lookups // CHUNK * CHUNK, 8),
    }


def run_trial(state: State, number: int, effort: Effort) -> dict[str, Any]:
    """Time all arms of a trial; return seconds per call of both blocks, by generation and arm."""
    started = time.perf_counter()
    found = [_generation(state, [number, turn], effort) for turn in range(effort.generations)]
    return {
        "state": state.name,
        "trial": number,
        "seconds": round(time.perf_counter() - started, 3),
        "generations": found,
    }


def _generation(state: State, seed: list[int], effort: Effort) -> dict[str, Any]:
    workers = Workers("all", timeout=60.0)
    keys = [(DEFINITION, name) for name in effort.planted]
    try:
        in_turn = shuffled(keys, seed_of("setting up", state.name, *seed))
        workers.launch(in_turn)
        # A sentinel's worker gathers with a bare np.take, whose time is proportional to the rows.
        arms = {key[1]: replace(workers.arm(*key), role=SENTINEL) for key in keys}
        for _, name in in_turn:
            _hold(arms[name], state, effort.planted[name])
        calls = {name: _calls(arm, state, effort) for name, arm in arms.items()}
        sequential = {
            name: [arm.time(calls[name]).per_call for _ in range(effort.sequential_blocks)]
            for name, arm in arms.items()
        }
        settings = TimingSettings(generations=effort.generations, a_a_half_width=effort.half_width)
        rounds = run_rounds(
            list(arms),
            next(iter(effort.planted)),
            lambda name: arms[name].time(calls[name]),
            plan=settings.plan(effort.seconds * effort.patience, dict.fromkeys(arms, A_A)),
            seed=seed_of(state.name, *seed),
            clock=time.perf_counter,
            watch=machine.watch,
            lost=_fail,
        )
    finally:
        workers.close()
    return {
        "rounds": {name: seconds_per_call(rounds, name) for name in arms},
        "sequential": sequential,
        "flagged": sum(map(bool, flag_rounds(rounds, arms))),
    }


def _hold(arm: Arm, state: State, percent: int) -> None:
    table = _table(state.rows)
    arm.store({"weight": table})
    for turn in range(state.traces):
        random = np.random.Generator(np.random.PCG64([7, turn]))
        # All arms begin with the same rows. The extra rows are new ones: repeats would be cached.
        indices = random.integers(state.rows, size=2 * state.lookups)
        indices = indices[: state.lookups + state.lookups * percent // CHUNK]
        call = Call(Operation.EMBEDDING, {"weight": table, "indices": indices}, {}, ("output",))
        arm.hold(turn, call, {"weight": table})


def _calls(arm: Arm, state: State, effort: Effort) -> int:
    clock = arm.settle(range(state.traces))
    block = lambda calls: arm.time(calls).seconds  # noqa: E731  (what is calibrated)
    return calibrate(block, clock["timer_seconds"], effort.block_seconds).calls


@cache
def _table(rows: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(3)).random((rows, COLUMNS), dtype=np.float32)


def _fail(name: str, reason: Exception) -> None:
    raise RuntimeError(f"{name} was lost: {reason}")

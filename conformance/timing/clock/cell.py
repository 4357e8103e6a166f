"""One cell: a workload in one cache state, with a number of threads, on all backends.

It is timed once by each generation of workers.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Observation
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.suite.real_data import Missing
from embcheck.conformance.timing.clock import gate, machine, outside
from embcheck.conformance.timing.clock.arms import A_A, CANDIDATE, REFERENCE, SENTINEL, Arm
from embcheck.conformance.timing.clock.calibrate import BlockCalibration, calibrate
from embcheck.conformance.timing.clock.lanes import Lane, is_named, spellings_of
from embcheck.conformance.timing.clock.longer import longer_standard
from embcheck.conformance.timing.clock.schedule import (
    ArmLost,
    Block,
    Round,
    run_rounds,
    seed_of,
    shuffled,
)
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.clock.spots import SpotChecks
from embcheck.conformance.timing.clock.workers import DEFINITION, Workers
from embcheck.conformance.timing.workloads.load import Workload, WorkloadProfile
from embcheck.conformance.timing.workloads.stored import scheme_for, stored_inputs
from embcheck.conformance.timing.workloads.traces import COLD_TRACES, Inputs, make_inputs

# STREAM's rule for its arrays: hardly any of the table stays in the cache.
CACHE_FACTOR = 4
DEVICE_CALLS = 100
MAX_GROWN_BYTES = 1024**3


@dataclass(frozen=True)
class Cell:
    """A workload in a cache state, with a number of threads or `all`."""

    workload: Workload
    profile: WorkloadProfile
    state: str
    threads: int | str

    def __str__(self) -> str:
        return f"{self.workload.id}, {self.state}, threads {self.threads}"


@dataclass
class Timed:
    """The result of a cell in one generation of workers.

    `arms` are those that passed the gate; `lost` says, by role and backend, what could not be
    timed and why; `reference` is the backend that ratios are taken to; `stopped` says why the cell
    did not begin. By an arm's key, `spelled` names the other spelling by which it is timed, and
    `stored` the scheme by which its table is stored.
    """

    cell: Cell
    threads: int
    generation: int = 0
    inputs: Inputs | None = None
    reference: str | None = None
    arms: dict[str, Arm] = field(default_factory=dict)
    gates: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    clocks: dict[str, Mapping[str, float]] = field(default_factory=dict)
    calibrations: dict[str, BlockCalibration] = field(default_factory=dict)
    threads_read: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    lost: dict[tuple[str, str], ArmLost] = field(default_factory=dict)
    devices: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    stopped: ArmLost | None = None

    def lose(self, arm: Arm, reason: ArmLost) -> None:
        """Drop an arm, and record why."""
        self.arms.pop(arm.key, None)
        self.lost[arm.role, arm.backend] = reason

    def asked(self, arm: Arm, oracle: gate.Oracle) -> tuple[Inputs, gate.Oracle]:
        """Return the inputs of an arm, and the oracle that judges its answers."""
        scheme = self.stored.get(arm.key)
        if scheme is None:
            return _inputs(self), oracle
        return stored_inputs(_inputs(self), scheme), oracle.on_stored(scheme)

    def arm_of(self, role: str) -> Arm | None:
        """Return the arm with a role that only one arm has; None if there is none."""
        return next((arm for arm in self.arms.values() if arm.role == role), None)


def time_cell(
    cell: Cell,
    backends: Sequence[str],
    preferred: str,
    workers: Workers,
    settings: TimingSettings,
    generation: int = 0,
) -> Timed:
    """Judge, calibrate and time the backends on a cell; failures are in the result.

    The first generation takes another reference if the preferred one fails. Later generations must
    use the same reference.
    """
    timed = Timed(cell, workers.threads, generation)
    try:
        timed.inputs = cell_inputs(cell)
        oracle, sentinel = _oracle(timed.inputs, workers)
    except (Missing, ArmLost) as reason:
        timed.stopped = (
            reason if isinstance(reason, ArmLost) else ArmLost(f"missing data: {reason}")
        )
        timed.lost |= {(CANDIDATE, backend): timed.stopped for backend in backends}
        return timed
    _admit(timed, backends, preferred, workers, oracle, settings)
    if timed.reference is not None:
        _try(timed, sentinel, lambda arm: gate.admit_sentinel(arm, _inputs(timed)))
        _try_each(timed, lambda arm: _calibrate(timed, arm, settings.block_seconds))
        _time(timed, settings, oracle)
        _check_clocks(timed, settings)
        _try_each(timed, lambda arm: _read_threads(timed, arm))
        _try_each(timed, lambda arm: _judge_last(timed, arm, oracle))
        _read_devices(timed)
    # The workers go on to the next cell, and would keep the tables of this one.
    for arm in [*timed.arms.values(), sentinel]:
        arm.drop()
    return timed


def cell_inputs(cell: Cell) -> Inputs:
    """Make a cell's arrays: one trace if hot, else eight; a cold table is larger than the cache.

    Rotating cells have eight traces over an unchanged table. In cold cells, a seeded table grows to
    four times the last-level cache, to 1 GiB at most. If its dense gradient is observed, which
    would grow with it, the table does not grow.
    """
    profile, traces = cell.profile, 1 if cell.state == "hot" else COLD_TRACES
    if cell.state != "cold":
        return make_inputs(cell.workload, profile, traces)
    cache = machine.last_level_cache_bytes()
    gradient = Observation.GRAD_WEIGHT in cell.workload.observe
    # A real table has no number of rows in its profile, and cannot grow.
    if cache and profile.rows and profile.columns and not gradient:
        row_bytes = profile.columns * np.dtype(cell.workload.dtype).itemsize
        wanted = min(CACHE_FACTOR * cache, MAX_GROWN_BYTES) // row_bytes + 1
        profile = replace(profile, rows=max(profile.rows, wanted))
    return make_inputs(cell.workload, profile, traces)


def _oracle(inputs: Inputs, workers: Workers) -> tuple[gate.Oracle, Arm]:
    """Ask the definition, in the worker that runs the sentinel afterwards."""
    sentinel = workers.arm(DEFINITION, SENTINEL)
    # In the sentinel's own role, every call would be a bare gather (see `Arm.hold`).
    return gate.ask_oracle(replace(sentinel, role="oracle"), inputs), sentinel


def _admit(
    timed: Timed,
    backends: Sequence[str],
    preferred: str,
    workers: Workers,
    oracle: gate.Oracle,
    settings: TimingSettings,
) -> None:
    """Let the backends, and a second worker of the baseline, through the gate in random order.

    The order matters: of workers that gather the same rows from memory, those that got their tables
    last were 2 % faster.
    """

    def admit(backend: str, role: str) -> Arm | None:
        try:
            arm = workers.arm(backend, role, str(timed.cell))
            scheme = scheme_for(arm.client.info, _inputs(timed).call(0), settings.scheme)
            if scheme is not None:
                timed.stored[arm.key] = scheme
            elif settings.spelling is not None:
                arm = _spell(timed, arm, settings.spelling)
        except ArmLost as reason:
            timed.lost[role, backend] = reason
            return None
        return _try(timed, arm, lambda arm: _gate(timed, arm, oracle))

    roles = [*((backend, CANDIDATE) for backend in backends), (preferred, A_A)]
    seed = seed_of("setting up", timed.cell.workload.id, timed.cell.state, timed.generation)
    arms = {who: admit(*who) for who in shuffled(roles, seed)}
    # In the order in which they are named, so that another baseline is not chosen at random.
    candidates = {backend: arms[backend, CANDIDATE] for backend in backends}
    reference, twin = candidates[preferred], arms[preferred, A_A]
    # Only the first generation chooses: ratios to two baselines have no mean.
    if reference is None and timed.generation == 0:
        reference = next(filter(None, candidates.values()), None)
    if reference is None:
        return
    reference.role = REFERENCE
    timed.reference = reference.backend
    if reference.backend != preferred:
        if twin is not None:
            # The A/A row needs a second worker of the new baseline, and this one is of the old.
            twin.drop()
            timed.lose(twin, ArmLost(f"{preferred} itself was lost"))
        admit(reference.backend, A_A)


def _spell(timed: Timed, arm: Arm, spelling: str) -> Arm:
    """Return the arm, timed by another spelling of the call if its adapter has that one."""
    known = spellings_of(arm.client, _inputs(timed).call(0))
    name = next((one for one in known if is_named(one, spelling)), None)
    if name is None:
        return arm
    timed.spelled[arm.key] = name
    # The lane adds the spelling to each request that holds a call.
    return replace(arm, client=Lane(arm.client, 0, name))


def _gate(timed: Timed, arm: Arm, oracle: gate.Oracle) -> None:
    inputs, oracle = timed.asked(arm, oracle)
    try:
        timed.gates[arm.key] = gate.admit(arm, inputs, oracle)
    except ArmLost as reason:
        if arm.key not in timed.stored:
            raise
        said = f"its table stored as {timed.stored[arm.key]}: {reason}"
        raise ArmLost(said, reason.exit_code) from reason
    # Once for each backend: later generations find the compiled files of the first, and the A/A arm
    # repeats the baseline, which still has the role of a candidate here.
    if timed.generation == 0 and arm.role == CANDIDATE:
        arm.life |= gate.admit_shape(arm, inputs, longer_standard(inputs, oracle))


def _try(timed: Timed, arm: Arm, action: Callable[[Arm], Any]) -> Arm | None:
    """Run an action on an arm; if it raises ArmLost, record the arm as lost and return None."""
    timed.arms[arm.key] = arm
    try:
        action(arm)
    except ArmLost as reason:
        arm.drop()
        timed.lose(arm, reason)
        return None
    return arm


def _try_each(timed: Timed, action: Callable[[Arm], Any]) -> None:
    """Run an action on every arm that is left; record those that fail as lost."""
    for arm in list(timed.arms.values()):
        _try(timed, arm, action)


def _calibrate(timed: Timed, arm: Arm, block_seconds: float) -> None:
    """Settle an arm's process, and find out how many calls make a block."""
    clock = arm.settle(range(len(_inputs(timed).traces)))
    timed.clocks[arm.key] = clock
    timed.calibrations[arm.key] = calibrate(
        lambda calls: arm.time(calls).seconds, clock["timer_seconds"], block_seconds
    )


def _time(timed: Timed, settings: TimingSettings, oracle: gate.Oracle) -> None:
    cell, reference = timed.cell, timed.arm_of(REFERENCE)
    if reference is None:
        return
    spots = {
        key: SpotChecks(timed.asked(arm, oracle)[1])
        for key, arm in timed.arms.items()
        if arm.role != SENTINEL
    }

    def measure(key: str) -> Block:
        arm, calls = timed.arms[key], timed.calibrations[key].calls
        block = arm.time(calls)
        if key in spots:
            follows = timed.gates[key]["index_change"] == gate.SAME_THUNK
            spots[key].after_block(arm, calls, follows=follows)
        return block

    timed.rounds = run_rounds(
        list(timed.arms),
        reference.key,
        measure,
        plan=settings.plan(cell.profile.seconds, {k: a.role for k, a in timed.arms.items()}),
        # From names alone, so that a resumed run draws the same orders as an unbroken one.
        seed=seed_of(settings.seed, cell.workload.id, cell.state, cell.threads, timed.generation),
        clock=time.perf_counter,
        watch=machine.watch,
        lost=lambda key, reason: timed.lose(timed.arms[key], reason),
    )


def _check_clocks(timed: Timed, settings: TimingSettings) -> None:
    """Compare the times that workers report with the harness's clock; longer blocks too.

    Longer blocks are timed in one generation of the cell, chosen at random. By how much a request
    takes longer than its block depends on the machine. The sentinel shows it, because its worker
    runs no code of a candidate.
    """
    sentinel = timed.arm_of(SENTINEL)
    usual = outside.usual_overhead(sentinel.seen if sentinel else ())

    def check(arm: Arm) -> None:
        # In one generation on average. A fixed one would let a worker be honest in that one only.
        thorough = random.SystemRandom().random() * settings.generation_count < 1
        lie = arm.hides_time(timed.calibrations[arm.key].calls, usual=usual, thorough=thorough)
        if lie is not None:
            raise ArmLost(lie, ExitCode.DEPARTS)

    # Without rounds there are no blocks to compare with the clock.
    if timed.rounds:
        _try_each(timed, check)


def _read_threads(timed: Timed, arm: Arm) -> None:
    """Read a worker's thread pools, all of which exist by now."""
    timed.threads_read[arm.key] = arm.threads()


def _judge_last(timed: Timed, arm: Arm, oracle: gate.Oracle) -> None:
    if arm.role != SENTINEL:
        gate.judge_last(arm, timed.asked(arm, oracle)[1])


def _read_devices(timed: Timed) -> None:
    """Time calls on their device, if that is not the CPU."""
    for arm in list(timed.arms.values()):
        if arm.role != SENTINEL and arm.client.info.device != "cpu":
            flush = timed.cell.state == "cold"
            try:
                timed.devices[arm.key] = arm.device(0, DEVICE_CALLS, flush=flush)
            except ArmLost as reason:
                # The times of the host are valid all the same, so the arm is not lost.
                timed.devices[arm.key] = {"missing": str(reason)}


def _inputs(timed: Timed) -> Inputs:
    assert timed.inputs is not None  # noqa: S101  (a cell without arrays ends before)
    return timed.inputs

"""The price of an option: variants of one call, paired round by round in one worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from embcheck.conformance.records.details import PriceDetails, PriceRounds
from embcheck.conformance.records.lines import PriceLine
from embcheck.conformance.timing.clock import gate, machine
from embcheck.conformance.timing.clock.arms import CANDIDATE, SENTINEL, Arm
from embcheck.conformance.timing.clock.calibrate import calibrate
from embcheck.conformance.timing.clock.cell import Cell, cell_inputs
from embcheck.conformance.timing.clock.lanes import Lane, spellings_of
from embcheck.conformance.timing.clock.schedule import (
    ArmLost,
    Block,
    Round,
    run_rounds,
    seconds_per_call,
    seed_of,
)
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.clock.workers import DEFINITION, Workers
from embcheck.conformance.timing.statistics.estimate import (
    FEWEST_GENERATIONS,
    MARGIN,
    Conclusion,
    Estimate,
    estimate,
    fold,
    log_ratios,
)
from embcheck.conformance.timing.verdicts.decide import decide
from embcheck.conformance.timing.verdicts.measurements import said_of_few
from embcheck.conformance.timing.workloads.variants import (
    AGAIN,
    PLAIN,
    Variant,
    spelled,
    variants_of,
)


@dataclass
class Priced:
    """The result of a backend's variants on one cell."""

    cell: Cell
    backend: str
    threads: int
    variants: dict[str, Variant] = field(default_factory=dict)
    arms: dict[str, Arm] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    lost: dict[str, ArmLost] = field(default_factory=dict)


def price(
    cell: Cell, backend: str, workers: Workers, settings: TimingSettings, generation: int = 0
) -> Priced:
    """Time the variants of a cell's call on one backend; failures are in the result.

    It takes one generation's share of the cell's rounds and time.
    """
    priced = Priced(cell, backend, workers.threads)
    inputs = cell_inputs(replace(cell, state="hot"))
    try:
        owner = workers.arm(backend, CANDIDATE)
        names = spellings_of(owner.client, inputs.call(0))
    except ArmLost as reason:
        priced.lost[PLAIN] = reason
        return priced
    variants = [*variants_of(inputs), *spelled(inputs, names)]
    priced.variants = {variant.name: variant for variant in variants}
    for number, variant in enumerate(variants):
        lane = Lane(owner.client, number, variant.spelling)
        arm = Arm(variant.name, backend, CANDIDATE, lane, spare=owner.spare)
        _try(priced, arm, partial(_admit, arm, variant, workers))
        # The plain call comes first, and all others are priced against it.
        if PLAIN in priced.lost:
            return priced
    for arm in list(priced.arms.values()):
        _try(priced, arm, partial(_calibrate, priced, arm, settings.block_seconds))
    if PLAIN in priced.arms:
        _time(priced, settings, generation)
    owner.drop()
    return priced


def price_lines(generations: Sequence[Priced]) -> list[PriceLine]:
    """Return a line for each variant; one for the plain call only if it could not be timed.

    Each generation is one process. A variant that any of them lost has no price.
    """
    first = generations[0]
    lost = {key: reason for priced in generations for key, reason in priced.lost.items()}
    if PLAIN in lost or not all(priced.rounds for priced in generations):
        reason = lost.get(PLAIN, ArmLost("the plain call was lost while it was timed"))
        # A backend that did not start has no variants. Only the names of this one are read.
        return [_untimed(first, Variant(PLAIN, "semantics", None), reason)]  # type: ignore[arg-type]
    twin = None if AGAIN in lost else _estimate(generations, AGAIN, PLAIN)
    margin = MARGIN
    # The plain call differs from itself, so prices up to that difference mean nothing.
    if twin is not None and decide(twin) != Conclusion.SAME:
        margin = max(twin.high, 1 / twin.low) - 1
    lines = []
    for name, variant in first.variants.items():
        gone = lost.get(name) or lost.get(variant.plain)
        if gone is not None:
            lines.append(_untimed(first, variant, gone))
        elif name != PLAIN:
            lines.append(_line(generations, variant, margin))
    return lines


def _admit(arm: Arm, variant: Variant, workers: Workers) -> None:
    """Let a variant's call through the gate, as any call that is timed; raises ArmLost."""
    lack = arm.client.info.lacks(variant.inputs.call(0))
    if lack is not None:
        raise ArmLost(f"unsupported: {lack}")
    # In the sentinel's own role, every call would be a bare gather (see `Arm.hold`).
    definition = replace(workers.arm(DEFINITION, SENTINEL), role="oracle")
    oracle = gate.ask_oracle(definition, variant.inputs)
    gate.admit(arm, variant.inputs, oracle)


def _calibrate(priced: Priced, arm: Arm, block_seconds: float) -> None:
    clock = arm.settle([0])
    found = calibrate(lambda calls: arm.time(calls).seconds, clock["timer_seconds"], block_seconds)
    priced.calls[arm.key] = found.calls


def _try(priced: Priced, arm: Arm, action: Callable[[], Any]) -> None:
    """Run an action on an arm; if it raises ArmLost, record the arm as lost."""
    priced.arms[arm.key] = arm
    try:
        action()
    except ArmLost as reason:
        arm.drop()
        _lose(priced, arm.key, reason)


def _lose(priced: Priced, key: str, reason: ArmLost) -> None:
    priced.arms.pop(key, None)
    priced.lost[key] = reason


def _time(priced: Priced, settings: TimingSettings, generation: int) -> None:
    def measure(key: str) -> Block:
        return priced.arms[key].time(priced.calls[key])

    cell = priced.cell
    # The plain call is the baseline, which has no interval of its own.
    roles = {key: CANDIDATE for key in priced.arms if key != PLAIN}
    priced.rounds = run_rounds(
        list(priced.arms),
        PLAIN,
        measure,
        plan=settings.plan(cell.profile.seconds, roles),
        seed=seed_of(settings.seed, cell.workload.id, "prices", priced.backend, generation),
        clock=time.perf_counter,
        watch=machine.watch,
        lost=lambda key, reason: _lose(priced, key, reason),
    )


def _estimate(generations: Sequence[Priced], name: str, plain: str) -> Estimate:
    pairs = [
        (seconds_per_call(priced.rounds, name), seconds_per_call(priced.rounds, plain))
        for priced in generations
    ]
    return estimate([log_ratios(*pair) for pair in pairs])


def _line(generations: Sequence[Priced], variant: Variant, margin: float) -> PriceLine:
    found = _estimate(generations, variant.name, variant.plain)
    few = len(generations) < FEWEST_GENERATIONS
    return replace(
        _untimed(generations[0], variant, None),
        ns_plain=_nanoseconds(generations, variant.plain),
        ns_per_call=_nanoseconds(generations, variant.name),
        ratio=found.ratio,
        ratio_low=found.low,
        ratio_high=found.high,
        verdict=decide(found, margin, doubted=few),
        message=said_of_few(len(generations)) if few else "",
        details=PriceDetails(_rounds(generations, variant, margin)),
    )


def _rounds(generations: Sequence[Priced], variant: Variant, margin: float) -> PriceRounds:
    return PriceRounds(
        note=variant.note,
        margin=margin,
        calls_per_block=tuple(priced.calls[variant.name] for priced in generations),
        rounds_ns_per_call=tuple(
            tuple(
                (round(there * 1e9, 1), round(back * 1e9, 1))
                for there, back in seconds_per_call(priced.rounds, variant.name)
            )
            for priced in generations
        ),
    )


def _nanoseconds(generations: Sequence[Priced], name: str) -> float:
    """Return the mean over generations of each one's median time; the mean is of logs."""
    folded = [fold(seconds_per_call(priced.rounds, name)) for priced in generations]
    return float(np.exp(np.mean([np.median(each) for each in folded]))) * 1e9


def _untimed(priced: Priced, variant: Variant, reason: ArmLost | None) -> PriceLine:
    return PriceLine(
        workload=priced.cell.workload.id,
        backend=priced.backend,
        threads=priced.threads,
        kind=variant.kind,
        variant=variant.name,
        plain=variant.plain,
        ns_plain=None,
        ns_per_call=None,
        ratio=None,
        ratio_low=None,
        ratio_high=None,
        verdict=Conclusion.NOT_TIMED,
        message="" if reason is None else str(reason),
        details=PriceDetails(exit_code=None if reason is None else int(reason.exit_code)),
    )

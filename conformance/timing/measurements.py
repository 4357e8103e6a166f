"""A timed cell as lines of the record: ratios, verdicts, and all that they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psutil

from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.timing import machine
from embcheck.conformance.timing.arms import A_A, CANDIDATE, REFERENCE, SENTINEL, Arm
from embcheck.conformance.timing.cell import CACHE_FACTOR, Timed
from embcheck.conformance.timing.estimate import (
    Conclusion,
    Estimate,
    conclude,
    estimate,
    fold,
    log_ratios,
)
from embcheck.conformance.timing.schedule import Block, seconds_per_call
from embcheck.conformance.timing.trust import join, limit_verdicts
from embcheck.conformance.timing.workers import SENTINEL_NAME

NOBODY = "no backend passed the gate"


def measurements(timed: Timed, backends: Sequence[str]) -> list[Measurement]:
    """Return a line for each backend, one for the A/A row and one for the sentinel."""
    flagged = flag_rounds(timed)
    lines = [_line(timed, backend, _role(timed, backend), flagged) for backend in backends]
    twin = timed.reference or backends[0]
    lines.append(_line(timed, twin, A_A, flagged))
    lines.append(_line(timed, SENTINEL_NAME, SENTINEL, flagged))
    return limit_verdicts(lines, flagged, _sentinel_drift(timed))


def flag_rounds(timed: Timed) -> list[list[str]]:
    """Name, for each round, what disturbed it; nothing is left out of the estimate for it."""
    found = [
        machine.flags(round_.noise, _worker_seconds(round_.blocks), machine.cores())
        for round_ in timed.rounds
    ]
    sentinel = timed.arm_of(SENTINEL)
    if sentinel is not None and timed.rounds:
        logs = fold(seconds_per_call(timed.rounds, sentinel.key)).tolist()
        drifts = machine.drifts(logs)
        found = [
            names + ["sentinel"] * drifted for names, drifted in zip(found, drifts, strict=True)
        ]
    return found


def _sentinel_drift(timed: Timed) -> float:
    """Return how far, in logs, the sentinel was off its median in the worst tenth of rounds."""
    sentinel = timed.arm_of(SENTINEL)
    if sentinel is None or not timed.rounds:
        return 0.0
    logs = fold(seconds_per_call(timed.rounds, sentinel.key))
    return float(np.quantile(np.abs(logs - np.median(logs)), 0.9))


def _worker_seconds(blocks: Mapping[str, tuple[Block, Block]]) -> float:
    """Add up the CPU seconds of all workers, those spent waiting included."""
    return sum(
        block.cpu_seconds + block.idle_cpu_seconds for pair in blocks.values() for block in pair
    )


def _role(timed: Timed, backend: str) -> str:
    return REFERENCE if backend == timed.reference else CANDIDATE


def _line(timed: Timed, backend: str, role: str, flagged: list[list[str]]) -> Measurement:
    arm = next((a for a in timed.arms.values() if (a.backend, a.role) == (backend, role)), None)
    if arm is None or not timed.rounds:
        return _not_timed(timed, backend, role)
    found = _estimate(timed, arm)
    blocks = [block for round_ in timed.rounds for block in round_.blocks[arm.key]]
    per_call = float(np.exp(np.median(fold(seconds_per_call(timed.rounds, arm.key)))))
    lookups = timed.inputs.lookups if timed.inputs else 0
    verdict = Conclusion.SAME if role == REFERENCE else Conclusion.INCONCLUSIVE
    if found is not None and role != REFERENCE:
        verdict = conclude(found)
    return Measurement(
        workload=timed.cell.workload.id,
        backend=backend,
        state=timed.cell.state,
        threads=timed.threads,
        ns_per_lookup=per_call / lookups * 1e9 if lookups else None,
        ratio=found.ratio if found else None,
        ratio_low=found.low if found else None,
        ratio_high=found.high if found else None,
        verdict=verdict,
        first_call_seconds=arm.life.get("first_call_seconds"),
        role=role,
        message=join(_lost_reference(timed), _state_note(timed)),
        details=_details(timed, arm, blocks, per_call, flagged),
    )


def _not_timed(timed: Timed, backend: str, role: str) -> Measurement:
    lost = timed.lost.get((role, backend))
    if lost is None and role not in (A_A, SENTINEL):
        lost = timed.lost.get((CANDIDATE, backend))
    return Measurement(
        workload=timed.cell.workload.id,
        backend=backend,
        state=timed.cell.state,
        threads=timed.threads,
        ns_per_lookup=None,
        ratio=None,
        ratio_low=None,
        ratio_high=None,
        verdict=Conclusion.NOT_TIMED,
        first_call_seconds=None,
        role=role,
        message=str(lost or timed.stopped or _lost_reference(timed) or NOBODY),
    )


def _estimate(timed: Timed, arm: Arm) -> Estimate | None:
    reference = timed.arm_of(REFERENCE)
    if reference is None:
        return None
    samples = log_ratios(
        seconds_per_call(timed.rounds, arm.key), seconds_per_call(timed.rounds, reference.key)
    )
    return estimate(samples)


def _lost_reference(timed: Timed) -> str:
    if timed.reference is None or timed.arm_of(REFERENCE) is not None:
        return ""
    lost = timed.lost.get((REFERENCE, timed.reference or ""))
    return f"no ratio: the reference {timed.reference} was lost: {lost}"


def _state_note(timed: Timed) -> str:
    """Say where a cold cell is less cold than the protocol asks."""
    cache = machine.last_level_cache_bytes()
    if timed.cell.state != "cold" or timed.inputs is None:
        return ""
    if cache is None:
        return "the size of the last-level cache is not known"
    times = timed.inputs.shared["weight"].nbytes / cache
    if times >= CACHE_FACTOR:
        return ""
    return f"the table is {times:.1f} times the last-level cache, not {CACHE_FACTOR}"


def _details(
    timed: Timed, arm: Arm, blocks: Sequence[Block], per_call: float, flagged: list[list[str]]
) -> dict[str, Any]:
    """Return what the figures rest on: times in seconds or, where named so, nanoseconds a call."""
    inputs = timed.inputs
    assert inputs is not None  # noqa: S101  (there are rounds)
    wall = sum(block.seconds for block in blocks)
    idle = sum(block.idle_seconds for block in blocks)
    calls = timed.calibrations[arm.key].calls
    clock = timed.clocks[arm.key]
    nanoseconds = np.array([block.per_call for block in blocks]) * 1e9
    table = inputs.shared["weight"]
    return {
        "reference": timed.reference,
        "ns_per_call": per_call * 1e9,
        "ns_per_bag": per_call * 1e9 / inputs.bags if inputs.bags else None,
        "p50_ns": float(np.quantile(nanoseconds, 0.5)),
        "p99_ns": float(np.quantile(nanoseconds, 0.99)),
        **timed.gates.get(arm.key, {}),
        "import_seconds": arm.client.import_seconds,
        **{name: value for name, value in arm.life.items() if name != "first_call_seconds"},
        "lookups": inputs.lookups,
        "bags": inputs.bags,
        "table": [*table.shape, table.dtype.name],
        "table_bytes": table.nbytes,
        "last_level_cache_bytes": machine.last_level_cache_bytes(),
        "trace_sha256": inputs.hashes,
        "calls_per_block": calls,
        "calibration": [list(step) for step in timed.calibrations[arm.key].steps],
        **clock,
        "harness_share": clock["empty_call_seconds"] * calls * len(blocks) / wall,
        "cores_used": sum(block.cpu_seconds for block in blocks) / wall,
        "idle_cpu_share": sum(b.idle_cpu_seconds for b in blocks) / idle if idle else None,
        "involuntary_switches": sum(block.switches for block in blocks),
        "resident_bytes": _resident_bytes(arm),
        "flagged_rounds": _count(flagged),
        "rounds_ns_per_call": [
            [round(there * 1e9, 1), round(back * 1e9, 1)]
            for there, back in seconds_per_call(timed.rounds, arm.key)
        ],
    }


def _count(flagged: list[list[str]]) -> dict[str, int]:
    kinds = sorted({name for names in flagged for name in names})
    counts = {kind: sum(kind in names for names in flagged) for kind in kinds}
    return {**counts, "any": sum(map(bool, flagged)), "of": len(flagged)}


def _resident_bytes(arm: Arm) -> int | None:
    try:
        return int(psutil.Process(arm.client.pid).memory_info().rss) if arm.client.pid else None
    except psutil.Error:
        return None

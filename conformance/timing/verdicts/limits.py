"""A run's ceilings: STREAM's once for each number of threads, a gather for each cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.timing.clock.arms import CANDIDATE, SENTINEL
from embcheck.conformance.timing.clock.cell import Timed
from embcheck.conformance.timing.clock.schedule import ArmLost
from embcheck.conformance.timing.clock.workers import Workers
from embcheck.conformance.timing.verdicts import figures
from embcheck.conformance.timing.verdicts.ceilings import (
    LEAST_UNCOUNTED,
    MIN_GATHERED,
    Ceiling,
    Rate,
    Streams,
    gather_indices,
    gathered_bytes,
    measure_gather,
    measure_hot_copy,
    measure_streams,
)

TORCH = "torch-eager"
"""The backend whose lookup of one-dimensional indices is `index_select`."""
LOOKS = 5
LOOKS_AGAIN = 15
BLOCK_SECONDS = 0.004


class MachineLimits:
    """The machine's rates, measured for the numbers of threads of a run's cells."""

    def __init__(self, threads: Sequence[int]) -> None:
        self._streams = {count: measure_streams(count) for count in dict.fromkeys(threads)}

    def streams(self, threads: int) -> Streams:
        """Return STREAM's rates with a number of threads."""
        return self._streams[threads]

    def look_again(self) -> dict[int, float]:
        """Measure STREAM again, since the machine may have been busy; return limits by threads."""
        limits = {}
        for threads, before in self._streams.items():
            streams = before.best(measure_streams(threads, LOOKS_AGAIN))
            limits[threads] = LEAST_UNCOUNTED * streams.fastest
        return limits

    def ceiling(self, timed: Timed, workers: Workers, backends: Sequence[str]) -> Ceiling | None:
        """Measure a cell's ceiling: gathers of its rows, and copies; None without rounds."""
        if timed.inputs is None or not timed.rounds:
            return None
        weight, threads = timed.inputs.shared["weight"], timed.threads
        traces = [trace["indices"] for trace in timed.inputs.traces]
        rows = gather_indices(len(weight), traces)
        gathers = [measure_gather(weight, rows, threads)]
        if TORCH in backends:
            gathers += _index_select(workers, weight, rows)
        streams = self.streams(threads)
        copies = [streams.copy]
        # A hot cell's rows lie in caches, from which a copy is faster than STREAM's from memory.
        if len(traces) == 1:
            touched = figures.traffic_of(timed.inputs).touched
            copies.append(measure_hot_copy(touched, threads))
        # Backends' own calls do not count for the limit: a worker whose clock lies would raise it.
        limit = max(streams.fastest, *(rate.bytes_per_second for rate in (*gathers, *copies)))
        gather = _best([*gathers, *_own_gathers(timed)])
        return Ceiling(gather, _best(copies), LEAST_UNCOUNTED * limit, streams)


def _best(rates: Sequence[Rate]) -> Rate:
    return max(rates, key=lambda rate: rate.bytes_per_second)


def _own_gathers(timed: Timed) -> list[Rate]:
    """Return the best rate of each backend, in a cell whose call is a gather of the same rows."""
    inputs = timed.inputs
    if inputs is None or inputs.bare.operation is not Operation.EMBEDDING:
        return []
    if inputs.bare.observe != (Observation.OUTPUT,) or inputs.lookups < MIN_GATHERED:
        return []
    moved = figures.traffic_of(inputs).compulsory
    found = []
    for key, arm in timed.arms.items():
        if arm.role != SENTINEL and key not in timed.stored:  # Stored rows have other bytes.
            seconds = min(b.per_call for one in timed.rounds for b in one.blocks[key])
            found.append(Rate(moved / seconds, f"{arm.backend} itself"))
    return found


def _index_select(workers: Workers, weight: np.ndarray, rows: Sequence[np.ndarray]) -> list[Rate]:
    """Time PyTorch's gather in its worker of the cell; return no rate if that fails."""
    moved = gathered_bytes(weight, rows)
    try:
        arm = workers.arm(TORCH, CANDIDATE)
        arm.store({"weight": weight})
        for id_, indices in enumerate(rows):
            call = Call(Operation.EMBEDDING, {"weight": weight, "indices": indices})
            life = arm.hold(id_, call, {"weight": weight})
        arm.settle(range(len(rows)))
        # As many calls as a block has, but each trace at least once.
        calls = max(len(rows), int(BLOCK_SECONDS / max(life["second_call_seconds"], 1e-7)))
        seconds = min(arm.time(calls).per_call for _ in range(LOOKS))
        arm.drop()
    # This gather is one of several; without it the ceiling is that of the others.
    except ArmLost:
        return []
    return [Rate(moved / seconds, f"index_select by {TORCH}")]

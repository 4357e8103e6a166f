"""How often an honest backend is accused of cheating the clock, at the gate or in its blocks.

`python -m calibration.honesty` lets backends through the gate and times some blocks of each call,
as a cell does. It needs no quiet machine: its purpose is to find accusations caused by noise.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calibration.readiness import calls
from embcheck.conformance.timing.clock import freshness, gate, outside
from embcheck.conformance.timing.clock.arms import CANDIDATE, SENTINEL, Arm
from embcheck.conformance.timing.clock.calibrate import calibrate
from embcheck.conformance.timing.clock.schedule import ArmLost
from embcheck.conformance.timing.clock.spots import SpotChecks
from embcheck.conformance.timing.clock.workers import DEFINITION, Workers
from embcheck.conformance.timing.workloads.traces import Inputs

HONEST = ("numpy-reference", "torch-eager", "jax-take", "onnxruntime-dynamo")
SIZES = (5, 13)
"""The range of the number of lookups, as powers of 2."""
BLOCKS = 10
BLOCK_SECONDS = 0.004


def main(words: list[str] | None = None) -> None:
    """Count the accusations, and print a line of JSON for each backend."""
    parser = argparse.ArgumentParser(prog="honesty", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100, help="of each backend")
    parser.add_argument("--only", action="append", help="a backend; all if none is named")
    arguments = parser.parse_args(words)
    for backend in arguments.only or HONEST:
        print(json.dumps({"backend": backend, **_count(backend, arguments.calls)}), flush=True)


def _count(backend: str, count: int) -> dict[str, Any]:
    counts: Counter[str] = Counter(gates=0, suspects=0, requests=0, missing_time=0, accused=0)
    said: Counter[str] = Counter()
    started = time.monotonic()
    with TemporaryDirectory() as folder:
        workers = [Workers(threads, 120.0, Path(folder)) for threads in (1, "all")]
        try:
            for seed, inputs in islice(calls(SIZES), count):
                crew = workers[seed % 2]
                arm = crew.arm(backend, CANDIDATE)
                counts["gates"] += 1
                try:
                    _let_through(crew, arm, inputs, counts)
                except ArmLost as reason:
                    counts["accused"] += 1
                    said[str(reason)] += 1
                arm.drop()
        finally:
            for each in workers:
                each.close()
    return {**counts, "said": said, "seconds": round(time.monotonic() - started)}


def _let_through(crew: Workers, arm: Arm, inputs: Inputs, counts: Counter[str]) -> None:
    sentinel = crew.arm(DEFINITION, SENTINEL)
    oracle = gate.ask_oracle(replace(sentinel, role="oracle"), inputs)
    real, asked = arm.fresh_calls, []

    def noting(id_: int, order: Any, **words: Any) -> Any:
        asked.append(len(order))
        return real(id_, order, **words)

    arm.fresh_calls = noting  # type: ignore[method-assign]
    found = gate.admit(arm, inputs, oracle)
    counts["suspects"] += any(count > 2 * freshness.CALLS for count in asked)
    clock = arm.settle([0])
    many = calibrate(lambda n: arm.time(n).seconds, clock["timer_seconds"], BLOCK_SECONDS).calls
    spots = SpotChecks(oracle)
    for _ in range(BLOCKS):
        arm.time(many)
        spots.after_block(arm, many, follows=found["index_change"] == gate.SAME_THUNK)
    usual = _usual_overhead(sentinel, inputs)
    lie = arm.hides_time(many, usual=usual, thorough=True)
    counts["requests"] += len(arm.seen)
    counts["missing_time"] += sum(not one.is_accounted_for(usual) for one in arm.seen)
    if lie is not None:
        raise ArmLost(lie)
    gate.judge_last(arm, oracle)


def _usual_overhead(sentinel: Arm, inputs: Inputs) -> float:
    """Return the time that a request of the sentinel takes in addition to its block."""
    sentinel.store(inputs.shared)
    sentinel.hold(0, inputs.call(0), inputs.shared)
    clock = sentinel.settle([0])
    many = calibrate(lambda n: sentinel.time(n).seconds, clock["timer_seconds"], BLOCK_SECONDS)
    for _ in range(BLOCKS):
        sentinel.time(many.calls)
    found = outside.usual_overhead(sentinel.seen)
    sentinel.drop()
    return found


if __name__ == "__main__":
    main()

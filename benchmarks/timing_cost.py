"""What the harness adds to a timed block, and what it takes between blocks.

    python benchmarks/timing_cost.py [--seconds N]

Calls of known lengths are timed in blocks as `embcheck bench` does, through a worker, a pipe and
the loop around the calls. The aim is that the loop takes at most 0.5 % of a block. What passes
between blocks is outside the clock, and shown for the sake of the whole run's length.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.timing.clock.arms import SENTINEL, Arm
from embcheck.conformance.timing.clock.calibrate import calibrate
from embcheck.conformance.timing.clock.workers import DEFINITION, Workers

TARGET = 0.005
LOOKUPS = (1, 10, 100, 1_000, 10_000, 100_000)


def prepare(arm: Arm, lookups: int) -> int:
    """Have a gather of some rows held, and return how many calls make a block of it."""
    weight = np.ones((1000, 64), np.float32)
    arm.store({"weight": weight})
    call = Call(
        Operation.EMBEDDING,
        {"weight": weight, "indices": np.arange(lookups) % 1000},
        {},
        ("output",),
    )
    arm.hold(0, call, {"weight": weight})
    clock = arm.settle([0])
    return calibrate(lambda calls: arm.time(calls).seconds, clock["timer_seconds"]).calls


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each length of a call")
    seconds = parser.parse_args().seconds
    workers = Workers("all", timeout=60.0)
    print(f"{'call us':>9}{'calls a block':>15}{'loop':>9}{'between blocks ms':>19}")
    try:
        arm = workers.arm(DEFINITION, SENTINEL)
        for lookups in LOOKUPS:
            calls = prepare(arm, lookups)
            loop = arm.settle([0])["loop_seconds"]
            blocks, between, until = [], [], time.perf_counter() + seconds
            while time.perf_counter() < until:
                asked = time.perf_counter()
                block = arm.time(calls)
                between.append(time.perf_counter() - asked - block.seconds)
                blocks.append(block.per_call)
            call = statistics.median(blocks)
            mark = "" if loop / call <= TARGET else "  over the aim"
            print(
                f"{call * 1e6:>9.2f}{calls:>15,}{loop / call:>9.3%}"
                f"{statistics.median(between) * 1e3:>19.3f}{mark}"
            )
    finally:
        workers.close()
    print(f"loop: its share of a block; the aim is at most {TARGET:.1%}")


if __name__ == "__main__":
    main()

"""How often a gate says that answers come late: wrongly for some backends, rightly for others.

`python -m calibration.readiness` lets two kinds of backends through the gate: those that wait for
their answers, and those of the zoo that do not. It needs no quiet machine: its purpose is to find
accusations caused by noise.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Observation, Operation
from embcheck.conformance.timing.clock import gate
from embcheck.conformance.timing.clock.arms import CANDIDATE, SENTINEL, Arm
from embcheck.conformance.timing.clock.schedule import ArmLost
from embcheck.conformance.timing.clock.workers import DEFINITION, Workers
from embcheck.conformance.timing.workloads.load import Origin, Workload, WorkloadProfile
from embcheck.conformance.timing.workloads.traces import Inputs, make_inputs

WAITING = {
    "numpy-reference": 700,
    "torch-eager": 700,
    "onnxruntime-dynamo": 350,
    "jax-take": 350,
    "zoo-reads-slowly": 50,
}
"""Backends whose answers exist when their calls return, and how many gates to try for each. ONNX
Runtime has fewer because it exports each call first. The answers of `zoo-reads-slowly` take so long
to read that every gate suspects it at first."""
UNFINISHED = "zoo-jax-unfinished"
EARLY = (
    "zoo-hands-out-futures",
    "zoo-copies-into-futures",
    "zoo-fills-later",
    "zoo-fills-the-same",
    "zoo-evaluates-when-read",
    UNFINISHED,
)
USUAL, LARGE = (5, 13), (15, 17)
"""Ranges of the number of lookups, as powers of 2. An unfinished JAX call must be large: JAX
computes small calls at once, even if nobody waits for them."""
EARLY_GATES = 100
GATES_A_CALL = 10
"""Gates that share one prepared call, since preparing may mean an export; each gate makes its own
calls and readings."""


def main(words: list[str] | None = None) -> None:
    """Count suspicions and accusations; print a line for each backend, and write all to a file."""
    parser = argparse.ArgumentParser(prog="readiness", description=__doc__.splitlines()[0])
    parser.add_argument("--gates", type=int, help=f"of each; else {WAITING} and {EARLY_GATES}")
    parser.add_argument("--only", action="append", help="a backend; all if none is named")
    parser.add_argument("--out", type=Path, default=Path("out/readiness.json"))
    arguments = parser.parse_args(words)
    planned = {**WAITING, **dict.fromkeys(EARLY, EARLY_GATES)}
    planned = {name: arguments.gates or planned[name] for name in arguments.only or planned}
    lines: dict[str, Any] = {}
    for backend, gates in planned.items():
        for line in _counts(backend, gates):
            lines[backend] = {"backend": backend, **line}
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(list(lines.values()), indent=1) + "\n", "utf-8")
        print(json.dumps(lines[backend]), flush=True)


def _counts(backend: str, gates: int) -> Iterator[dict[str, Any]]:
    """Let calls of one backend through the gate, alternating between one thread and all.

    After each call, yield the counts so far.
    """
    sizes = LARGE if backend == UNFINISHED else USUAL
    counts: Counter[str] = Counter(gates=0, read_again=0, suspected=0, accused=0)
    said: Counter[str] = Counter()
    started = time.monotonic()
    with TemporaryDirectory() as folder:
        workers = [Workers(threads, 120.0, Path(folder)) for threads in (1, "all")]
        try:
            for seed, inputs in islice(calls(sizes), -(-gates // GATES_A_CALL)):
                left = min(GATES_A_CALL, gates - counts["gates"])
                _let_through(workers[seed % 2], backend, inputs, left, counts, said)
                yield {**counts, "said": said, "seconds": round(time.monotonic() - started)}
        finally:
            for each in workers:
                each.close()


def calls(lookups_bits: tuple[int, int]) -> Iterator[tuple[int, Inputs]]:
    """Yield seeds and inputs of lookups and bags of random sizes, which take µs to ms."""
    for seed in count():
        draw = np.random.default_rng(seed)
        rows, columns, lookups = (
            int(2 ** draw.uniform(low, high)) for low, high in ((7, 15), (3, 7), lookups_bits)
        )
        bags = bool(seed // 2 % 2)
        workload = Workload(
            id=f"readiness-{seed}",
            title="any call",
            stands_for="any call",
            operation=Operation.EMBEDDING_BAG if bags else Operation.EMBEDDING,
            observe=(Observation.OUTPUT,),
            dtype="float32",
            table=Origin(seed=seed),
            trace=Origin(seed=seed + 1),
            profiles={},
            options={"mode": "sum"} if bags else {},
        )
        size = {"bags": -(-lookups // 16), "bag_size": 16} if bags else {"indices": lookups}
        profile = WorkloadProfile(("hot",), ("all",), 1.0, rows, columns, **size)
        yield seed, make_inputs(workload, profile, 1)


def _let_through(
    workers: Workers,
    backend: str,
    inputs: Inputs,
    gates: int,
    counts: Counter[str],
    said: Counter[str],
) -> None:
    definition = workers.arm(DEFINITION, SENTINEL)
    definition.role = "oracle"
    oracle = gate.ask_oracle(definition, inputs)
    arm = workers.arm(backend, CANDIDATE)
    arm.store(inputs.shared)
    arm.hold(0, oracle.traces[0].call, inputs.shared)
    for _ in range(gates):
        reads: list[float] = []
        arm.read = partial(_noting, arm, reads)  # type: ignore[method-assign]
        counts["gates"] += 1
        try:
            counts["suspected"] += gate.waits(arm, inputs, oracle)
        except ArmLost as reason:
            counts["suspected"] += 1
            counts["accused"] += 1
            said[" ".join(word for word in str(reason).split() if not word[0].isdigit())] += 1
        counts["read_again"] += bool(reads)
    arm.drop()


def _noting(arm: Arm, reads: list[float], *words: Any) -> float:
    reads.append(Arm.read(arm, *words))
    return reads[-1]


if __name__ == "__main__":
    main()

"""What the harness costs for each result, beyond what the backend itself takes.

    python benchmarks/harness_cost.py [-b BACKEND ...] [--runs N]

Runs the whole suite with `embcheck run` on each backend by itself, and on all of them together.
From the time between the first result and the last is taken what the record says that the busiest
backend took, to prepare and answer calls and to die of them; what is left is ours, for each
result: sending calls, judging, replacing workers, recording. What is ours once a run stands apart,
with the imports of the libraries: starting Python and pytest, reading the specs, and the summary.
The best and the median of the runs are shown, for a busy machine only adds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TARGET_MS = 1.5
DEFAULT = ("numpy-reference", "torch-eager")


@dataclass(frozen=True)
class Cost:
    """One run: seconds of all, of the results, and of the busiest backend, and how many results."""

    wall: float
    running: float
    own: float
    results: int

    @property
    def harness_ms(self) -> float:
        """Milliseconds of harness for each result."""
        return 1000 * (self.running - self.own) / self.results


def run(backends: tuple[str, ...]) -> Cost:
    """Run the suite once and read what it cost; backends work side by side."""
    words = [word for name in backends for word in ("-b", name)]
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).with_name("embcheck"), "run", *words, "--out", folder]
        started = time.perf_counter()
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        wall = time.perf_counter() - started
        if ended.returncode > 1:
            raise SystemExit(f"embcheck run failed:\n{ended.stdout}{ended.stderr}")
        lines = [json.loads(text) for text in (Path(folder) / "results.jsonl").open()]
    results = [line for line in lines if line["type"] == "result"]
    own = dict.fromkeys(backends, 0.0)
    for line in results:
        own[line["backend"]] += line["backend_seconds"]
    return Cost(wall, lines[-1]["seconds"], max(own.values()), len(results))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-b", "--backend", action="append", help="by default the two fastest")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    backends = tuple(arguments.backend or DEFAULT)
    print(f"{'backends':<30}{'results':>8}{'wall s':>8}{'once s':>8}{'own s':>7}", end="")
    print(f"{'best ms':>8}{'median ms':>10}")
    for chosen in dict.fromkeys([*((name,) for name in backends), backends]):
        costs = [run(chosen) for _ in range(arguments.runs)]
        best = min(costs, key=lambda cost: cost.harness_ms)
        median = statistics.median(cost.harness_ms for cost in costs)
        print(
            f"{' + '.join(chosen):<30}{best.results:>8}{best.wall:>8.2f}"
            f"{best.wall - best.running:>8.2f}{best.own:>7.2f}"
            f"{best.harness_ms:>8.2f}{median:>10.2f}"
        )
    print(f"best, median: ms of harness for each result; the aim is at most {TARGET_MS} ms")


if __name__ == "__main__":
    main()

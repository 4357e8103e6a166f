"""Time the calls that `embcheck bench` times with torch.utils.benchmark and with pyperf instead.

    python benchmarks/other_tools.py torch [BACKEND ...]
    python benchmarks/other_tools.py pyperf [--fast]          (pip install pyperf)
    embcheck bench -b numpy-reference -b torch-eager --workload T2 --workload R1 --workload R4 \
        --out out/own                                         (to compare)

Thunks, arrays and sizes are those of the quick profile, so that only the way of timing differs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from embcheck.conformance.execution.discovery import create
from embcheck.conformance.timing.clock.cell import cell_inputs
from embcheck.conformance.timing.runs.session import plan_cells
from embcheck.conformance.timing.workloads.load import select_workloads

CELLS = ("T2", "R1", "R4")
BACKENDS = ("numpy-reference", "torch-eager")


@cache
def prepared(cell: str, backend: str) -> tuple[Callable[[], Any], int]:
    """Return the thunk of a backend on a cell, and how many rows it looks up."""
    (planned,) = plan_cells(select_workloads([cell]), "quick")
    inputs = cell_inputs(planned)
    return create(backend).prepare(inputs.call(0)), inputs.lookups


def with_torch(backends: Sequence[str]) -> None:
    """Print medians of `blocked_autorange`, one backend after another, and ratios to the first."""
    import torch  # noqa: PLC0415
    from torch.utils.benchmark import Timer  # noqa: PLC0415

    for cell in CELLS:
        medians: dict[str, float] = {}
        for backend in backends:
            thunk, lookups = prepared(cell, backend)
            timer = Timer("thunk()", globals={"thunk": thunk}, num_threads=torch.get_num_threads())
            found = timer.blocked_autorange(min_run_time=2.0)
            medians[backend] = found.median
            spread = f"IQR {found.iqr / found.median:.0%}"
            ratio = found.median / next(iter(medians.values()))
            per_lookup = found.median / lookups * 1e9
            print(f"{cell} {backend:<24} {per_lookup:9.2f} ns/lookup, {spread}, ratio {ratio:.4f}")


def with_pyperf() -> None:
    """Print pyperf's means, over processes of its own; it parses the other arguments."""
    import pyperf  # noqa: PLC0415

    runner = pyperf.Runner()
    for cell in CELLS:
        for backend in BACKENDS:
            runner.bench_time_func(f"{cell} {backend}", seconds_of, cell, backend)


def seconds_of(loops: int, cell: str, backend: str) -> float:
    """Return the seconds of some calls in a row."""
    thunk, _ = prepared(cell, backend)
    started = time.perf_counter()
    for _ in range(loops):
        thunk()
    return time.perf_counter() - started


if __name__ == "__main__":
    tool = sys.argv[1:2]
    if tool == ["torch"]:
        with_torch(sys.argv[2:] or BACKENDS)
    elif tool == ["pyperf"] or "--worker" in sys.argv:
        sys.argv = [word for word in sys.argv if word != "pyperf"]
        with_pyperf()
    else:
        sys.exit(__doc__)

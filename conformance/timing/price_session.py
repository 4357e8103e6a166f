"""A run of prices: every backend's variants of every workload, each recorded when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from embcheck.conformance.execution.discovery import check_known
from embcheck.conformance.exit_codes import ExitCode, gravest
from embcheck.conformance.records.environment import describe_environment, embcheck_version
from embcheck.conformance.records.lines import RunHeader
from embcheck.conformance.records.writer import RunWriter, now
from embcheck.conformance.timing.arms import CANDIDATE
from embcheck.conformance.timing.cell import Cell, Settings
from embcheck.conformance.timing.prices import price, price_lines
from embcheck.conformance.timing.workers import Workers
from embcheck.conformance.timing.workloads import Workload

PURPOSE = "prices"
PRICED = ("T2", "W1", "R1")
"""Whose calls are priced where none is named: a lookup of real text, a large one, and bags."""


def run_prices(
    backends: Sequence[str],
    workloads: Sequence[Workload],
    folder: Path,
    settings: Settings,
    told: Callable[[str], None] = lambda _: None,
) -> ExitCode:
    """Price workloads' calls on backends, hot and with all threads, and record them in a folder.

    Only what asks for an output alone has a price: a training workload is a stage already.
    Raises UnknownBackend before anything starts.
    """
    check_known(list(backends))
    backends = list(dict.fromkeys(backends))
    workers = Workers("all", settings.timeout)
    code = ExitCode.CONFORMS
    try:
        described = tuple(workers.describe(name, CANDIDATE) for name in backends)
        writer = RunWriter(folder, _header(described, workloads, settings))
        for workload in workloads:
            cell = Cell(workload, workload.profiles[settings.profile], "hot", "all")
            for backend in backends:
                told(f"{workload.id} on {backend}")
                priced = price(cell, backend, workers, settings)
                code = gravest([code, *(reason.exit_code for reason in priced.lost.values())])
                for line in price_lines(priced):
                    writer.write(line)
        writer.finish(code)
    finally:
        workers.close()
    return code


def _header(described: tuple, workloads: Sequence[Workload], settings: Settings) -> RunHeader:  # type: ignore[type-arg]
    return RunHeader(
        purpose=PURPOSE,
        started=now(),
        embcheck=embcheck_version(),
        suite="",
        environment=describe_environment(),
        backends=described,
        planned=len(described) * len(workloads),
        settings={**asdict(settings), "workloads": [workload.id for workload in workloads]},
    )

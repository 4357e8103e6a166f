"""A run of prices: every backend's variants of every workload, each recorded when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from embcheck.conformance.execution.address import Address
from embcheck.conformance.exit_codes import ExitCode, gravest
from embcheck.conformance.records.lines import PriceLine, RunHeader
from embcheck.conformance.records.writer import RunWriter
from embcheck.conformance.timing.clock.cell import Cell
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.clock.workers import Workers
from embcheck.conformance.timing.runs import identity
from embcheck.conformance.timing.runs.prices import price, price_lines
from embcheck.conformance.timing.runs.session import (
    addressed,
    available,
    describe_backends,
    interrupted,
)
from embcheck.conformance.timing.workloads.load import Workload

PURPOSE = "prices"
PRICED = ("T2", "W1", "R1")
"""The workloads that are priced by default: a lookup of real text, a large one, and bags."""


@dataclass(frozen=True)
class PriceStep:
    """One workload on one backend, which every generation of workers prices."""

    cell: Cell
    backend: str

    def __str__(self) -> str:
        return f"prices of {self.cell.workload.id} on {self.backend}"


def plan_prices(
    backends: Iterable[str], workloads: Iterable[Workload], settings: TimingSettings
) -> list[PriceStep]:
    """List the steps of a run, in order; calls are hot and have all threads."""
    return [
        PriceStep(Cell(workload, workload.profiles[settings.profile], "hot", "all"), backend)
        for workload in workloads
        for backend in dict.fromkeys(backends)
    ]


def run_prices(
    backends: Sequence[str],
    workloads: Sequence[Workload],
    folder: Path,
    settings: TimingSettings,
    told: Callable[[PriceStep], None] = lambda _: None,
    *,
    resume: bool = False,
) -> ExitCode:
    """Price workloads' calls on backends and record them; `told` is called as each step begins.

    A workload should observe its output alone: each price is a difference from its plain call,
    which would otherwise be training. Backends are as in `run_timing`. After an interruption,
    finished steps are kept, and `resume` continues from there. Before anything is written, raises
    UnknownBackend, BadAddress, CannotResume, or, if no backend can run here, NoneAvailable.
    """
    addresses = addressed(backends)
    header = _header(backends, workloads, settings)
    here = available(header.backends)
    steps = plan_prices(here, workloads, settings)
    before = interrupted(folder, header) if resume else None
    lines = [] if before is None else list(before.prices)
    priced = {(line.workload, line.backend) for line in lines}
    writer = RunWriter(folder, header if before is None else before.header, lines)
    try:
        for step in steps:
            if (step.cell.workload.id, step.backend) not in priced:
                told(step)
                found = _take(step, settings, addresses)
                # All lines of a step at once: a resumed run takes a step with any line for done.
                writer.write(*found)
                lines += found
        losses = (line.details.exit_code or ExitCode.CONFORMS for line in lines)
        absence = ExitCode.USAGE if len(here) < len(addresses) else ExitCode.CONFORMS
        code = gravest([absence, *map(ExitCode, losses)])
        writer.finish(code)
    finally:
        writer.close()
    return code


def _take(
    step: PriceStep, settings: TimingSettings, addresses: Mapping[str, Address]
) -> list[PriceLine]:
    """Price one workload on one backend, in as many processes as there are generations."""
    generations = []
    for generation in range(settings.generation_count):
        workers = Workers("all", settings.timeout, addresses=addresses)
        try:
            generations.append(price(step.cell, step.backend, workers, settings, generation))
        finally:
            workers.close()
        # A variant needs all generations, and this one has lost the plain call, with which all
        # are paired.
        if not generations[-1].rounds:
            break
    return price_lines(generations)


def _header(
    backends: Sequence[str], workloads: Sequence[Workload], settings: TimingSettings
) -> RunHeader:
    described = describe_backends(backends, settings.timeout)
    return replace(
        described,
        purpose=PURPOSE,
        suite="",
        planned=len(available(described.backends)) * len(workloads),
        settings={
            **asdict(settings),
            "generations": settings.generation_count,
            "workloads": identity.workload_hashes(workloads, settings.profile),
        },
    )

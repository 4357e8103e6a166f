"""A timing run: generations of workers, each of which times every cell once.

A generation's readings of a cell are written at once, so that an interrupted run can be resumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from embcheck.conformance.execution.absence import NoneAvailable
from embcheck.conformance.execution.address import Address, parse_address, parse_addresses
from embcheck.conformance.execution.processes.scratch import Scratch
from embcheck.conformance.exit_codes import ExitCode, gravest
from embcheck.conformance.records.environment import embcheck_version
from embcheck.conformance.records.lines import Measurement, RoundsLine, RunHeader
from embcheck.conformance.records.run import RecordError, Run, read_runs
from embcheck.conformance.records.writer import RunWriter, now
from embcheck.conformance.timing.clock import machine
from embcheck.conformance.timing.clock.arms import A_A, CANDIDATE
from embcheck.conformance.timing.clock.cell import Cell, time_cell
from embcheck.conformance.timing.clock.schedule import seed_of, shuffled
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.clock.workers import ORACLE, Workers, thread_count
from embcheck.conformance.timing.runs import identity
from embcheck.conformance.timing.statistics.estimate import LEVEL, MARGIN
from embcheck.conformance.timing.verdicts import figures, raw
from embcheck.conformance.timing.verdicts.limits import MachineLimits
from embcheck.conformance.timing.verdicts.measurements import measurements
from embcheck.conformance.timing.verdicts.trust import Row, row_of
from embcheck.conformance.timing.workloads.load import Workload, workload_files

PURPOSE = "timing"
USUAL = "torch-eager"
"""The baseline if it takes part and no other one is wanted."""


@dataclass(frozen=True)
class TimingStep:
    """One generation of workers on one cell."""

    cell: Cell
    generation: int

    def __str__(self) -> str:
        return f"{self.cell}, generation {self.generation + 1}"


Told = Callable[[TimingStep], None]


class CannotResume(RecordError):
    """There is no interrupted run that these settings could resume; the message says why."""


def plan_cells(workloads: Iterable[Workload], profile: str) -> list[Cell]:
    """List the cells of a run, those with one number of threads together."""
    cells: list[Cell] = []
    for workload in workloads:
        planned = workload.profiles[profile]
        for threads in planned.threads:
            # On one core, all threads are one, and the cell would be timed twice.
            if threads == "all" and machine.cores() == 1 and 1 in planned.threads:
                continue
            cells += [Cell(workload, planned, state, threads) for state in planned.states]
    # Workers are confined when they start, so cells in another order would restart them.
    return sorted(cells, key=lambda cell: str(cell.threads), reverse=True)


def plan_steps(workloads: Iterable[Workload], settings: TimingSettings) -> list[TimingStep]:
    """List the steps of a run, in order: every generation times all cells."""
    cells = plan_cells(workloads, settings.profile)
    return [
        TimingStep(cell, number) for number in range(settings.generation_count) for cell in cells
    ]


def choose_baseline(backends: Sequence[str], wanted: str | None = None) -> str:
    """Name the backend that ratios are taken to.

    It is the wanted one, else PyTorch's own if it takes part, else the first that is named.
    """
    return wanted or (USUAL if USUAL in backends else backends[0])


def with_baseline(backends: Sequence[str], wanted: str | None) -> list[str]:
    """Return the backends, each once; a wanted baseline takes part if it is not named."""
    if wanted is None or wanted in {address.label for address in parse_addresses(backends)}:
        return list(dict.fromkeys(backends))
    return list(dict.fromkeys([*backends, wanted]))


def addressed(texts: Sequence[str]) -> dict[str, Address]:
    """Return the addresses of backends by their labels; raises BadAddress or UnknownBackend."""
    return {address.label: address for address in parse_addresses(texts)}


def available(infos: Iterable[Mapping[str, Any]], needed: str | None = None) -> list[str]:
    """Return the labels of the described backends that can run here.

    Raises NoneAvailable if there are none, or if `needed` is unavailable.
    """
    gone = {info["id"]: info["unavailable"] for info in infos if "unavailable" in info}
    if needed is not None and needed in gone:
        raise NoneAvailable({needed: gone[needed]})
    here = [str(info["id"]) for info in infos if info["id"] not in gone]
    if not here:
        raise NoneAvailable(gone)
    return here


def run_timing(
    backends: Sequence[str],
    workloads: Sequence[Workload],
    folder: Path,
    settings: TimingSettings,
    told: Told = lambda _: None,
    *,
    resume: bool = False,
    purpose: str = PURPOSE,
) -> ExitCode:
    """Time workloads on backends and record them in a folder; `told` is called as each step begins.

    Backends are addresses, `[LABEL=]ID[:PYTHON]`. One that is unavailable is named in the record's
    header and not timed. After an interruption, finished steps are kept and measured; `resume`
    continues from there. Runs of another `purpose` may be in the same folder. Before anything is
    written, raises UnknownBackend, BadAddress, CannotResume, or, if no backend or not the wanted
    baseline can run here, NoneAvailable.
    """
    addresses = addressed(with_baseline(backends, settings.baseline))
    if settings.baseline is not None and settings.baseline not in addresses:
        settings = replace(settings, baseline=parse_address(settings.baseline).label)
    run = _Run(addresses, workloads, folder, settings, resume=resume, purpose=purpose)
    try:
        for step in plan_steps(workloads, settings):
            told(step)
            run.time(step)
        return run.finish()
    except KeyboardInterrupt:
        run.conclude()
        raise
    finally:
        run.close()


def describe_backends(backends: Sequence[str], timeout: float) -> RunHeader:
    """Describe backends as the header of a run does, without timing anything."""
    addresses = addressed(backends)
    workers = Workers("all", timeout, addresses=addresses)
    try:
        return _header(_describe(workers, addresses))
    finally:
        workers.close()


def _header(infos: tuple[Mapping[str, Any], ...]) -> RunHeader:
    """Return the header of a run on described backends; nothing is planned yet."""
    return RunHeader(
        purpose=PURPOSE,
        started=now(),
        embcheck=embcheck_version(),
        suite=_suite_hash(),
        environment=identity.describe_machine(),
        backends=infos,
        planned=0,
    )


def _describe(workers: Workers, backends: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {**workers.describe(name, CANDIDATE), "source": workers.source(name)} for name in backends
    )


class _Run:
    """The state of a run: the workers of the present generation, and the record."""

    def __init__(
        self,
        addresses: Mapping[str, Address],
        workloads: Sequence[Workload],
        folder: Path,
        settings: TimingSettings,
        *,
        resume: bool,
        purpose: str,
    ) -> None:
        self._addresses = addresses
        self._settings = settings
        self._purpose = purpose
        self._limits: MachineLimits | None = None
        self._crew: tuple[int, int | str] | None = None
        self._cache = Scratch("embcheck-bench-")
        first = plan_steps(workloads, settings)[0]
        self._workers = self._workers_for(first)
        try:
            infos = _describe(self._workers, addresses)
            self._backends = available(infos, settings.baseline)
            # The available ones are timed all the same; the exit code says that some were not.
            some_are_gone = len(self._backends) < len(addresses)
            self._exit_code = ExitCode.USAGE if some_are_gone else ExitCode.CONFORMS
            self._reference = choose_baseline(self._backends, settings.baseline)
            header = self._header(workloads, infos)
            before = interrupted(folder, header) if resume else None
            self._lines = [] if before is None else list(before.rounds)
            header = header if before is None else before.header
            if settings.ceilings:
                cells = plan_cells(workloads, settings.profile)
                self._limits = MachineLimits([thread_count(cell.threads) for cell in cells])
            self._writer = RunWriter(folder, header, self._lines)
        # Ctrl-C too: no worker may outlive a run that could not begin.
        except BaseException:
            self._workers.close()
            self._cache.cleanup()
            raise

    def _workers_for(self, step: TimingStep) -> Workers:
        """Return the workers of a step's generation; start them unless they run already."""
        crew = (step.generation, step.cell.threads)
        if crew == self._crew:
            return self._workers
        if self._crew is not None:
            self._workers.close()
        self._crew = crew
        workers = Workers(
            step.cell.threads, self._settings.timeout, Path(self._cache.name), self._addresses
        )
        # The first generation starts worker by worker, since imports are timed there. Later ones
        # start all at once, in random order, because the order of starting matters
        # (docs/timing.md).
        if step.generation > 0:
            roles = [*((name, CANDIDATE) for name in self._backends), (self._reference, A_A)]
            workers.launch([*shuffled(roles, seed_of("launching", step.generation)), ORACLE])
        return workers

    def time(self, step: TimingStep) -> None:
        """Do a step and write its readings, unless they are in the record already."""
        done = self._done(step)
        if any(line.generation == step.generation for line in done):
            return
        self._workers = self._workers_for(step)
        # The cell's first generation chose the baseline; ratios to two baselines have no mean.
        preferred = done[0].reference if done and done[0].reference else self._reference
        timed = time_cell(
            step.cell, self._backends, preferred, self._workers, self._settings, step.generation
        )
        ceiling = None
        if self._limits is not None:
            ceiling = self._limits.ceiling(timed, self._workers, self._backends)
        line = figures.annotate(raw.describe(timed), timed, ceiling)
        self._lines.append(line)
        self._writer.write(line)

    def _done(self, step: TimingStep) -> list[RoundsLine]:
        cell = step.cell
        key = (cell.workload.id, cell.state, thread_count(cell.threads))
        return [line for line in self._lines if (line.workload, line.state, line.threads) == key]

    def conclude(self) -> None:
        """Write the measurements of all steps so far."""
        lines = self._measure({})
        faults = self._faults(lines)
        if faults:
            self._exit_code = ExitCode.HARNESS
            # Again as a whole: verdicts depend on each other through the margin and the
            # comparisons.
            lines = self._measure({row_of(lines[place]): said for place, said in faults.items()})
        for line in lines:
            self._writer.write(line)

    def _measure(self, impossible: Mapping[Row, str]) -> list[Measurement]:
        count = self._settings.generation_count
        lines = measurements(self._lines, self._backends, count, impossible)
        return figures.with_figures(lines, self._lines)

    def _faults(self, lines: Sequence[Measurement]) -> dict[int, str]:
        """Find physically impossible rates; if there are any, measure the limits again."""
        found = figures.impossible(lines, self._lines, {})
        if found and self._limits is not None:
            found = figures.impossible(lines, self._lines, self._limits.look_again())
        return found

    def finish(self) -> ExitCode:
        """Write measurements and footer."""
        self.conclude()
        losses = (loss.exit_code for line in self._lines for loss in line.lost)
        code = gravest([self._exit_code, *map(ExitCode, losses)])
        self._writer.finish(code)
        return code

    def close(self) -> None:
        """End the workers without changing the record."""
        self._workers.close()
        self._writer.close()
        self._cache.cleanup()

    def _header(
        self, workloads: Sequence[Workload], infos: tuple[Mapping[str, Any], ...]
    ) -> RunHeader:
        cells = plan_cells(workloads, self._settings.profile)
        return replace(
            _header(infos),
            purpose=self._purpose,
            # Each cell also has an A/A row and the sentinel's.
            planned=len(cells) * (len(self._backends) + 2),
            settings=self._describe_settings(workloads),
        )

    def _describe_settings(self, workloads: Sequence[Workload]) -> dict[str, Any]:
        return {
            **asdict(self._settings),
            "generations": self._settings.generation_count,
            "reference": self._reference,
            "margin": MARGIN,
            "level": LEVEL,
            "workloads": identity.workload_hashes(workloads, self._settings.profile),
        }


def interrupted(folder: Path, header: RunHeader) -> Run:
    """Find the run to resume: of the same machine, backends, workloads and settings."""
    try:
        runs = [run for run in read_runs(folder) if run.header.purpose == header.purpose]
    except RecordError as error:
        raise CannotResume(str(error)) from None
    if not runs or runs[-1].footer is not None:
        raise CannotResume(f"{folder} has no interrupted timing run; leave out --resume")
    before = runs[-1]
    different = identity.machine_differences(before.header.environment, header.environment)
    different += [
        f"{key}: {before.header.settings.get(key)}, {value}"
        for key, value in header.settings.items()
        if before.header.settings.get(key) != value
    ]
    names = [str(info.get("id")) for info in header.backends]
    if names != [str(info.get("id")) for info in before.header.backends]:
        different.append("other backends")
    different += [
        f"{name} changed"
        for name in names
        if identity.backend_identity(before.header, name) != identity.backend_identity(header, name)
    ]
    if different:
        said = f"the run in {folder} differs from this one ({'; '.join(different)})"
        raise CannotResume(f"{said}; repeat its command, or leave out --resume")
    try:
        # Tried here: damaged rounds would otherwise be found only at the end of the resumed run.
        lines = measurements(before.rounds, names, generations=1)
        figures.with_figures(lines, before.rounds)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"the rounds in {folder} cannot be measured ({type(error).__name__}: {error})"
        raise CannotResume(f"{what}; leave out --resume") from None
    return before


def _suite_hash() -> str:
    """Return a short hash over the shipped workloads."""
    digest = hashlib.sha256()
    for file in workload_files():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]

"""A timing run: its cells one after another, each written as soon as it is over."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from embcheck.conformance.execution.discovery import check_known
from embcheck.conformance.exit_codes import ExitCode, gravest
from embcheck.conformance.records.environment import describe_environment, embcheck_version
from embcheck.conformance.records.lines import Measurement, RunFooter, RunHeader, to_json_data
from embcheck.conformance.records.writer import RunWriter, now
from embcheck.conformance.timing import machine
from embcheck.conformance.timing.arms import CANDIDATE
from embcheck.conformance.timing.cell import Cell, Settings, time_cell
from embcheck.conformance.timing.estimate import LEVEL, MARGIN
from embcheck.conformance.timing.measurements import measurements
from embcheck.conformance.timing.trust import biased, limit_run
from embcheck.conformance.timing.workers import DEFINITION, Workers
from embcheck.conformance.timing.workloads import Workload, workload_files

PURPOSE = "timing"
Told = Callable[[Cell], None]


def plan_cells(workloads: Iterable[Workload], profile: str) -> list[Cell]:
    """List the cells of a run, those with one number of threads together."""
    cells = [
        Cell(workload, workload.profiles[profile], state, threads)
        for workload in workloads
        for threads in workload.profiles[profile].threads
        for state in workload.profiles[profile].states
    ]
    return sorted(cells, key=lambda cell: str(cell.threads), reverse=True)


def choose_reference(backends: Sequence[str]) -> str:
    """Name the backend that ratios are taken to: the definition if it takes part, or the first."""
    return DEFINITION if DEFINITION in backends else backends[0]


def run_timing(
    backends: Sequence[str],
    workloads: Sequence[Workload],
    folder: Path,
    settings: Settings,
    told: Told = lambda _: None,
) -> ExitCode:
    """Time workloads on backends and record them in a folder; `told` hears of each cell begun.

    An interruption leaves the cells that are over. Raises UnknownBackend before anything starts.
    """
    check_known(list(backends))
    backends = list(dict.fromkeys(backends))
    cells = plan_cells(workloads, settings.profile)
    run = _Run(backends, cells, folder, settings)
    try:
        for cell in cells:
            told(cell)
            run.time(cell)
        return run.finish()
    finally:
        run.close()


class _Run:
    """The state of a run: the workers of the present number of threads, and the record."""

    def __init__(
        self, backends: Sequence[str], cells: Sequence[Cell], folder: Path, settings: Settings
    ) -> None:
        self._backends = backends
        self._settings = settings
        self._reference = choose_reference(backends)
        self._workers = Workers(cells[0].threads, settings.timeout)
        self._threads = cells[0].threads
        self._started = time.perf_counter()
        self._lines: list[Measurement] = []
        self._exit_code = ExitCode.CONFORMS
        try:
            self._writer = RunWriter(folder, self._header(cells))
        except BaseException:
            self._workers.close()
            raise

    def time(self, cell: Cell) -> None:
        """Time a cell and write its lines."""
        if cell.threads != self._threads:
            self._workers.close()
            self._workers = Workers(cell.threads, self._settings.timeout)
            self._threads = cell.threads
        timed = time_cell(cell, self._backends, self._reference, self._workers, self._settings)
        self._exit_code = gravest(
            [self._exit_code, *(reason.exit_code for reason in timed.lost.values())]
        )
        for line in measurements(timed, self._backends):
            self._lines.append(line)
            self._writer.write(line)

    def finish(self) -> ExitCode:
        """Write the footer; limit all verdicts first if an A/A row shows a bias."""
        wrong = biased(self._lines)
        if wrong is None:
            self._writer.finish(self._exit_code)
            return self._exit_code
        self._writer.close()
        self._lines = limit_run(self._lines, wrong)
        counts = Counter(line.verdict for line in self._lines)
        seconds = round(time.perf_counter() - self._started, 3)
        footer = RunFooter(now(), seconds, self._exit_code, dict(counts))
        _rewrite(self._writer.path, [*self._lines, footer])
        return self._exit_code

    def close(self) -> None:
        """End the workers, and leave the record as it is."""
        self._workers.close()
        self._writer.close()

    def _header(self, cells: Sequence[Cell]) -> RunHeader:
        described = tuple(self._workers.describe(name, CANDIDATE) for name in self._backends)
        environment = describe_environment()
        environment["last_level_cache_bytes"] = machine.last_level_cache_bytes()
        # Each cell also has an A/A row and the sentinel's.
        planned = len(cells) * (len(self._backends) + 2)
        return RunHeader(
            purpose=PURPOSE,
            started=now(),
            embcheck=embcheck_version(),
            suite=_suite_hash(),
            environment=environment,
            backends=described,
            planned=planned,
            settings=self._describe_settings(cells),
        )

    def _describe_settings(self, cells: Sequence[Cell]) -> dict[str, Any]:
        return {
            **asdict(self._settings),
            "reference": self._reference,
            "margin": MARGIN,
            "level": LEVEL,
            "workloads": list(dict.fromkeys(cell.workload.id for cell in cells)),
        }


def _suite_hash() -> str:
    """Return a short hash over the shipped workloads."""
    digest = hashlib.sha256()
    for file in workload_files():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _rewrite(path: Path, lines: Iterable[Measurement | RunFooter]) -> None:
    """Replace what follows the last header of a record, in one step."""
    kept = path.read_text("utf-8").splitlines(keepends=True)
    header = max(at for at, line in enumerate(kept) if json.loads(line)["type"] == "run")
    new = [json.dumps(to_json_data(line), allow_nan=False) + "\n" for line in lines]
    draft = path.with_suffix(".draft")
    draft.write_text("".join([*kept[: header + 1], *new]), "utf-8")
    draft.replace(path)

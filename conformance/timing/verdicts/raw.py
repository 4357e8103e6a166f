"""A generation's readings of a cell as a line of the record, and a cell's lines together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import psutil

from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.records.details import ArmRecord, Lost
from embcheck.conformance.records.lines import RoundsLine
from embcheck.conformance.timing.clock import machine
from embcheck.conformance.timing.clock.arms import A_A, CANDIDATE, REFERENCE, SENTINEL, Arm
from embcheck.conformance.timing.clock.cell import Timed
from embcheck.conformance.timing.clock.noise import drifts, flag_rounds
from embcheck.conformance.timing.clock.schedule import Block, Round
from embcheck.conformance.timing.statistics.estimate import fold
from embcheck.conformance.timing.workloads.stored import stored_inputs
from embcheck.conformance.timing.workloads.traces import Inputs
from embcheck.conformance.timing.workloads.traffic import row_bytes

CellKey = tuple[str, str, int]


def describe(timed: Timed) -> RoundsLine:
    """Turn a cell's result in one generation into plain data."""
    return RoundsLine(
        workload=timed.cell.workload.id,
        state=timed.cell.state,
        threads=timed.threads,
        generation=timed.generation,
        reference=timed.reference,
        inputs=_inputs(timed.inputs, timed) if timed.inputs else {},
        arms={key: _arm(timed, arm) for key, arm in timed.arms.items() if timed.rounds},
        rounds=tuple(_round(round_) for round_ in timed.rounds),
        lost=tuple(
            Lost(role, name, str(why), int(why.exit_code))
            for (role, name), why in timed.lost.items()
        ),
        stopped=None if timed.stopped is None else str(timed.stopped),
    )


def _inputs(inputs: Inputs, timed: Timed) -> dict[str, Any]:
    table = inputs.shared["weight"]
    return {
        **({"spelled": dict(timed.spelled)} if timed.spelled else {}),
        **({"stored": _stored(inputs, timed)} if timed.stored else {}),
        "lookups": inputs.lookups,
        "bags": inputs.bags,
        "table": [*table.shape, table.dtype.name],
        "table_bytes": table.nbytes,
        # Recorded, because a record is also measured again on other machines.
        "last_level_cache_bytes": machine.last_level_cache_bytes(),
        "touched_bytes": _touched_bytes(inputs),
        "trace_sha256": inputs.hashes,
    }


def _stored(inputs: Inputs, timed: Timed) -> dict[str, Any]:
    """Describe the tables of the arms that look up in a stored one, by the arms' keys."""
    shape = inputs.shared["weight"].shape
    return {
        key: {
            "table": [*shape, scheme],
            "table_bytes": round(SCHEMES[scheme].bytes_of(*shape)),
            "touched_bytes": _touched_bytes(stored_inputs(inputs, scheme)),
        }
        for key, scheme in timed.stored.items()
    }


def _touched_bytes(inputs: Inputs) -> int:
    """Count the bytes of the rows that any trace looks up, each once."""
    rows = np.unique(np.concatenate([trace["indices"].reshape(-1) for trace in inputs.traces]))
    return round(rows.size * row_bytes(inputs.call(0)))


def _arm(timed: Timed, arm: Arm) -> ArmRecord:
    return ArmRecord(
        backend=arm.backend,
        role=arm.role,
        # Later generations import concurrently, so their import times mean nothing.
        import_seconds=_import_seconds(arm) if timed.generation == 0 else None,
        life=dict(arm.life),
        gate=dict(timed.gates.get(arm.key, {})),
        clock=dict(timed.clocks[arm.key]),
        calls_per_block=timed.calibrations[arm.key].calls,
        calibration=tuple(map(tuple, timed.calibrations[arm.key].steps)),
        threads=dict(timed.threads_read.get(arm.key, {})),
        resident_bytes=_resident_bytes(arm),
    )


def _import_seconds(arm: Arm) -> float | None:
    """Return the import time that a worker reported; None if it is not finite."""
    seconds = arm.client.import_seconds
    return seconds if math.isfinite(seconds) else None


def _round(round_: Round) -> dict[str, Any]:
    return {
        "order": list(round_.order),
        "blocks": {key: [_numbers(b) for b in pair] for key, pair in round_.blocks.items()},
        "noise": {name: round(value, 6) for name, value in round_.noise.items()},
    }


def _numbers(block: Block) -> list[float]:
    """Return a block's numbers without its calls, rounded to the nanosecond."""
    return [round(value, 9) for value in astuple(block)[1:]]


def _resident_bytes(arm: Arm) -> int | None:
    try:
        return int(psutil.Process(arm.client.pid).memory_info().rss) if arm.client.pid else None
    # The worker may have ended meanwhile.
    except psutil.Error:
        return None


@dataclass(frozen=True)
class CellRecord:
    """The lines of one cell, one for each generation, in order; there is at least one."""

    lines: Sequence[RoundsLine]

    @property
    def first(self) -> RoundsLine:
        """The first generation's line, which has what all have in common."""
        return self.lines[0]

    @property
    def id(self) -> CellKey:
        """Workload, cache state and number of threads."""
        return self.first.workload, self.first.state, self.first.threads

    @property
    def reference(self) -> str | None:
        """The baseline of ratios; None if no backend passed the gate."""
        return self.first.reference

    @property
    def twin(self) -> str | None:
        """The backend that was timed twice, which is the run's own baseline."""
        arms = (arm.backend for arm in self.first.arms.values() if arm.role == A_A)
        lost = (one.backend for line in self.lines for one in line.lost if one.role == A_A)
        return next(arms, None) or next(lost, None) or self.reference

    def original(self, backend: str) -> str | None:
        """Return the key of a backend's own arm, which an A/A arm repeats."""
        found = (self.key(backend, role) for role in (REFERENCE, CANDIDATE))
        return next(filter(None, found), None)

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Lookups, bags, table and traces."""
        return self.first.inputs

    def inputs_of(self, key: str) -> Mapping[str, Any]:
        """Return lookups, bags and traces, and the table as an arm has it, stored or in floats."""
        return {**self.inputs, **self.inputs.get("stored", {}).get(key, {})}

    def key(self, backend: str, role: str) -> str | None:
        """Return the key of the arm that a backend has in a role, if all generations timed it."""
        keys = {
            next(
                (k for k, a in line.arms.items() if (a.backend, a.role) == (backend, role)),
                None,
            )
            for line in self.lines
        }
        # If one generation has another key, or none, there is no figure over all of them.
        return keys.pop() if len(keys) == 1 else None

    def key_of(self, role: str) -> str | None:
        """Return the key of the arm with a role that only one arm has; None if there is none."""
        arms = self.first.arms
        found = next((arm.backend for arm in arms.values() if arm.role == role), None)
        return None if found is None else self.key(found, role)

    def arms(self, key: str) -> list[ArmRecord]:
        """Return each generation's facts about an arm."""
        return [line.arms[key] for line in self.lines]

    def blocks(self, key: str) -> list[list[tuple[Block, Block]]]:
        """Return an arm's blocks, there and back, for each round of each generation."""
        return [
            [_pair(pair, line.arms[key].calls_per_block) for pair in _column(line, key)]
            for line in self.lines
        ]

    def seconds_per_call(self, key: str) -> list[list[tuple[float, float]]]:
        """Return an arm's seconds per call, there and back, for each round of each generation."""
        return [
            [(there.per_call, back.per_call) for there, back in rounds]
            for rounds in self.blocks(key)
        ]

    def lost(self, backend: str, role: str) -> str | None:
        """Say why a backend was not timed in a role, in the first generation that lost it."""
        for line in self.lines:
            for entry in line.lost:
                if (entry.backend, entry.role) == (backend, role):
                    where = f"in generation {line.generation + 1}: " if line.generation else ""
                    return f"{where}{entry.message}"
        return None

    def flagged(self) -> list[list[str]]:
        """Name, for each round, what disturbed it; disturbed rounds stay in the estimate."""
        return [names for line in self.lines for names in _flag_rounds(line)]

    def sentinel_drift(self) -> float:
        """Return how far, in logs, the sentinel was off its median in the worst tenth of rounds."""
        # Each generation has its own median, since its blocks have their own number of calls.
        logs = [np.array(found) for found in map(_sentinel_logs, self.lines) if found]
        off = [np.abs(values - np.median(values)) for values in logs]
        return float(np.quantile(np.concatenate(off), 0.9)) if off else 0.0


def group(lines: Iterable[RoundsLine]) -> dict[CellKey, CellRecord]:
    """Put the lines of each cell together, by generation."""
    cells: dict[CellKey, list[RoundsLine]] = {}
    for line in sorted(lines, key=lambda line: line.generation):
        cells.setdefault((line.workload, line.state, line.threads), []).append(line)
    return {key: CellRecord(found) for key, found in cells.items()}


def _pair(numbers: Sequence[Sequence[float]], calls: int) -> tuple[Block, Block]:
    # Older records have fewer numbers for a block; the last fields then have their defaults.
    there, back = (Block(calls, block[0], block[1], int(block[2]), *block[3:]) for block in numbers)
    return there, back


def _flag_rounds(line: RoundsLine) -> list[list[str]]:
    rounds = [
        Round(
            tuple(round_["order"]),
            # Disturbances are counted by blocks, so their number of calls does not matter.
            {key: _pair(pair, 1) for key, pair in round_["blocks"].items()},
            round_["noise"],
        )
        for round_ in line.rounds
    ]
    sentinel = _sentinel_key(line)
    found = flag_rounds(rounds, [] if sentinel is None else [sentinel])
    drifted = drifts(_sentinel_logs(line)) or [False] * len(found)
    return [names + ["sentinel"] * drift for names, drift in zip(found, drifted, strict=True)]


def _sentinel_key(line: RoundsLine) -> str | None:
    return next((key for key, arm in line.arms.items() if arm.role == SENTINEL), None)


def _sentinel_logs(line: RoundsLine) -> list[float]:
    key = _sentinel_key(line)
    if key is None:
        return []
    return [float(log) for log in fold([(a[0], b[0]) for a, b in _column(line, key)])]


def _column(line: RoundsLine, key: str) -> list[Any]:
    return [round_["blocks"][key] for round_ in line.rounds]

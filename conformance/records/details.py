"""The details of timings, in groups; in a record, all keys of one timing are in one object.

Names end with the unit: `_seconds`, `_ns` (nanoseconds of a call), `_bytes`, `_gb_per_s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embcheck.conformance.records.plain import FLAT


@dataclass(frozen=True)
class ArmRecord:
    """What one generation measured of a backend in a role, before and after its rounds.

    `life` has the seconds of each phase before the steady state. `clock` has the cost of the clock.
    `calibration` has the steps that chose a block's number of calls: calls and their seconds.
    """

    backend: str
    role: str
    import_seconds: float | None
    life: Mapping[str, float]
    gate: Mapping[str, Any]
    clock: Mapping[str, float]
    calls_per_block: int
    calibration: tuple[tuple[float, ...], ...]
    threads: Mapping[str, Any]
    resident_bytes: int | None
    memory: Mapping[str, int] | None = None
    device: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Lost:
    """A backend that could not be timed: the reason, and the exit code that follows from it."""

    role: str
    backend: str
    message: str
    exit_code: int


@dataclass(frozen=True)
class CallTimes:
    """The time of a call in the steady state: over all generations, and quantiles of its blocks."""

    ns_per_call: float
    ns_per_bag: float | None
    p50_ns: float
    p99_ns: float


@dataclass(frozen=True)
class GateResult:
    """How answers were judged before they were timed, in all generations.

    `index_change` says in which kind of call a changed index changed the answer. `suspected_once`
    is 1 if a first worker seemed to return before its answer existed, and a second one did not.
    """

    index_change: str | None
    largest_error_ulp: float | None = None
    largest_error_share_of_bound: float | None = None
    relative_rms_error: float | None = None
    suspected_once: int | None = None


@dataclass(frozen=True)
class Preparation:
    """The times before the steady state, and the size of what an export left."""

    import_seconds: float | None
    prepare_seconds: float | None = None
    second_call_seconds: float | None = None
    new_shape_prepare_seconds: float | None = None
    new_shape_first_call_seconds: float | None = None
    artefact_bytes: float | None = None


@dataclass(frozen=True)
class CellInputs:
    """The table and traces of a cell; `table` is rows, columns, and the dtype or scheme.

    `bags` is None for a lookup without bags. `reuse` is as `figures.reuse_of` returns it, over all
    traces. `touched_bytes` counts each row that is looked up once: over all traces together, or, if
    there are rates, in a mean call.
    """

    lookups: int
    bags: int | None
    table: tuple[int | str, ...]
    table_bytes: int
    last_level_cache_bytes: int | None
    touched_bytes: float
    trace_sha256: tuple[str, ...]
    reuse: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Rounds:
    """How much was timed, what the clock cost, and how the processor was used."""

    generations: int
    rounds: int
    calls_per_block: tuple[int, ...]
    timer_seconds: float
    loop_seconds: float
    harness_share: float
    cores_used: float
    idle_cpu_share: float | None
    involuntary_switches: int
    flagged_rounds: Mapping[str, int]


@dataclass(frozen=True)
class Threads:
    """The sizes of thread pools, the numbers of threads by name, and how many threads worked."""

    pools: Mapping[str, int]
    threads_by_name: Mapping[str, int]
    working_threads: int | None


@dataclass(frozen=True)
class Memory:
    """The worker's resident bytes: after its rounds, at its peak, and the rise to the peak."""

    resident_bytes: int | None
    peak_bytes: int | None = None
    peak_rise_bytes: int | None = None


@dataclass(frozen=True)
class Rates:
    """The bytes of a mean call over its time; `workloads/traffic.py` has the ways to count."""

    logical_gb_per_s: float
    padded_gb_per_s: float
    compulsory_gb_per_s: float
    compulsory_bytes: float


@dataclass(frozen=True)
class Shares:
    """The compulsory rate as a share of the best gather and the best copy on this machine."""

    share_of_gather: float
    share_of_copy: float
    gather_gb_per_s: float
    gather_way: str
    copy_gb_per_s: float
    copy_way: str


@dataclass(frozen=True)
class DeviceTimes:
    """A call's time on its device, and the device's states around it."""

    device_p50_ns: float
    device_p99_ns: float
    device_states: tuple[Mapping[str, Any], ...]
    device_throttled: str


@dataclass(frozen=True)
class Spread:
    """The standard deviation between processes, in logs, from which the interval is computed."""

    process_deviation: float
    process_degrees_of_freedom: float


@dataclass(frozen=True)
class Resolution:
    """The margin, as a ratio minus 1, that a difference must exceed; only if wider than usual."""

    resolution: float
    resolution_note: str


@dataclass(frozen=True)
class Multiplicity:
    """A verdict's own p-value, and the number of comparisons for which it is corrected."""

    p_value: float
    comparisons: int


@dataclass(frozen=True)
class TimingDetails:
    """All details of a timing; groups that could not be measured are None.

    `reference` is the baseline of the ratio. `spelling` is the other spelling of the adapter that
    was timed; None for its own. `device_missing` says why there is no time on the device.
    """

    reference: str | None = None
    times: CallTimes | None = field(default=None, metadata=FLAT)
    gate: GateResult | None = field(default=None, metadata=FLAT)
    preparation: Preparation | None = field(default=None, metadata=FLAT)
    inputs: CellInputs | None = field(default=None, metadata=FLAT)
    rounds: Rounds | None = field(default=None, metadata=FLAT)
    threads: Threads | None = field(default=None, metadata=FLAT)
    memory: Memory | None = field(default=None, metadata=FLAT)
    spread: Spread | None = field(default=None, metadata=FLAT)
    rates: Rates | None = field(default=None, metadata=FLAT)
    shares: Shares | None = field(default=None, metadata=FLAT)
    device: DeviceTimes | None = field(default=None, metadata=FLAT)
    device_missing: str | None = None
    resolution: Resolution | None = field(default=None, metadata=FLAT)
    multiplicity: Multiplicity | None = field(default=None, metadata=FLAT)
    spelling: str | None = None


@dataclass(frozen=True)
class PriceRounds:
    """The readings of a price: the margin that it had to exceed, and the time in each round.

    `rounds_ns_per_call` has the nanoseconds of a call for each generation, each round, there and
    back.
    """

    note: str
    margin: float
    calls_per_block: tuple[int, ...]
    rounds_ns_per_call: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True)
class PriceDetails:
    """The readings of a price, or the exit code if there is none."""

    rounds: PriceRounds | None = field(default=None, metadata=FLAT)
    exit_code: int | None = None

"""What a timing's figures rest on, by noun; the record has all keys of one timing in one object.

Names tell the unit: `_seconds`, `_ns` (nanoseconds of a call), `_bytes`, `_gb_per_s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embcheck.conformance.records.plain import FLAT


@dataclass(frozen=True)
class ArmRecord:
    """What one generation found out about a backend in a role, before its rounds and after.

    `life` has the seconds of what comes before the steady state, `clock` what the clock costs,
    `calibration` the calls of a block and their seconds, step by step.
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
    """What could not be timed, why, and how grave that is."""

    role: str
    backend: str
    message: str
    exit_code: int


@dataclass(frozen=True)
class CallTimes:
    """A call in the steady state: over generations, and the quantiles of its blocks."""

    ns_per_call: float
    ns_per_bag: float | None
    p50_ns: float
    p99_ns: float


@dataclass(frozen=True)
class GateResult:
    """How the answer was judged before the clock, in all generations.

    `index_change` says where a changed index was seen to count. `suspected_once` is 1 where a first
    worker seemed to return before its answer existed, and another did not.
    """

    index_change: str | None
    largest_error_ulp: float | None = None
    largest_error_share_of_bound: float | None = None
    relative_rms_error: float | None = None
    suspected_once: int | None = None


@dataclass(frozen=True)
class Preparation:
    """What comes before the steady state, and the size of what an export left."""

    import_seconds: float | None
    prepare_seconds: float | None = None
    second_call_seconds: float | None = None
    new_shape_prepare_seconds: float | None = None
    new_shape_first_call_seconds: float | None = None
    artefact_bytes: float | None = None


@dataclass(frozen=True)
class CellInputs:
    """Table and traces. `table` is rows, columns and dtype, or the scheme by which it is stored.

    `bags` is None where there are none. `reuse` is what `figures.reuse_of` finds in all traces.
    `touched_bytes` are those of the rows that are looked up, each once: in all traces together, or
    in a mean call where rates are counted.
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
    """How much was timed, what the clock cost, and how the processor was used meanwhile."""

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
    """Thread pools by size, threads by name, and how many worked."""

    pools: Mapping[str, int]
    threads_by_name: Mapping[str, int]
    working_threads: int | None


@dataclass(frozen=True)
class Memory:
    """Resident bytes of the worker: after its rounds, at its peak, and the peak's rise."""

    resident_bytes: int | None
    peak_bytes: int | None = None
    peak_rise_bytes: int | None = None


@dataclass(frozen=True)
class Rates:
    """Bytes of a mean call over its time; see `workloads/traffic.py` for the ways to count."""

    logical_gb_per_s: float
    padded_gb_per_s: float
    compulsory_gb_per_s: float
    compulsory_bytes: float


@dataclass(frozen=True)
class Shares:
    """The compulsory rate as a share of what a gather and a copy reached here, and how."""

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
    """What the interval over processes rests on: their standard deviation, in logs."""

    process_deviation: float
    process_degrees_of_freedom: float


@dataclass(frozen=True)
class Resolution:
    """The margin that a difference must clear, as a ratio less 1, where it is wider than usual."""

    resolution: float
    resolution_note: str


@dataclass(frozen=True)
class Multiplicity:
    """How sure a verdict is by itself, and among how many it must hold."""

    p_value: float
    comparisons: int


@dataclass(frozen=True)
class TimingDetails:
    """All of it; a timing has what could be measured of it.

    `reference` is the backend that the ratio is taken to. `spelling` names the adapter's other
    spelling that was timed; None for its own. `device_missing` says why there is no time on the
    device.
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
    """What a price rests on: the margin that it had to clear, and each round's nanoseconds a call.

    `rounds_ns_per_call` has, for each generation, each round's time there and back.
    """

    note: str
    margin: float
    calls_per_block: tuple[int, ...]
    rounds_ns_per_call: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True)
class PriceDetails:
    """What a price rests on, or how grave it is that there is none."""

    rounds: PriceRounds | None = field(default=None, metadata=FLAT)
    exit_code: int | None = None

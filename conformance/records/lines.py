"""The types of lines in `results.jsonl`, and the version of their format.

A file has one or more runs. A run begins with a `run` header and ends with an `end` footer. In
between are `clause`, `case`, `result`, `rounds`, `measurement` and `price` lines. A run without a
footer is partial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Required, TypedDict

from embcheck.conformance.records.details import ArmRecord, Lost, PriceDetails, TimingDetails
from embcheck.conformance.records.plain import to_plain

FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunHeader:
    """How a run was made. `purpose` is `conformance`, `timing`, `curves` or `prices`.

    `backends` has an entry for each backend that was asked for: its info (see
    `messages.describe_info`), or its `id` and the reason in `unavailable` or `broken`. `started` is
    in UTC, ISO 8601. `suite` is the digest of the cases. `planned` is the number of results.
    """

    purpose: str
    started: str
    embcheck: str
    suite: str
    environment: Mapping[str, Any]
    backends: tuple[Mapping[str, Any], ...]
    planned: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT_VERSION
    type: str = "run"


@dataclass(frozen=True)
class ClauseLine:
    """One statement of the contract, as it was when the run was made."""

    id: str
    level: str
    statement: str
    object: str
    parameter: str
    source: str
    torch_only: bool = False
    type: str = "clause"


@dataclass(frozen=True)
class CaseLine:
    """One case, as it was when the run was made.

    `call` and `control` are as `CallSpec.describe` gives them. `expected` and `control_expected`
    map observations to described arrays; `expected` is None unless the call must return. For an
    implementation-defined case, `readings` maps names of possible answers to such observations, and
    `pytorch` is the name of PyTorch's answer. `parameters` are the case's values of the matrix. A
    case of several calls has labels in `steps`; `call` and `expected` are those of the first step.
    `fingerprint` is a digest of everything that the case is judged by, also of long arrays and
    bounds.
    """

    case: str
    title: str
    behaviour: str
    clauses: tuple[str, ...]
    level: str
    where: str
    call: Mapping[str, Any]
    expected: Mapping[str, Any] | None
    control: Mapping[str, Any] | None = None
    control_expected: Mapping[str, Any] | None = None
    readings: Mapping[str, Any] = field(default_factory=dict)
    pytorch: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    fingerprint: str = ""
    type: str = "case"


@dataclass(frozen=True)
class KnownDeviation:
    """The entry of a known deviation: see `execution.judging.deviations.Deviation`.

    Older records have no `cause`.
    """

    category: str
    happens: str
    reason: str
    cases: tuple[str, ...] = ()
    cause: str | None = None
    link: str | None = None
    version: str = ""
    device: str = ""
    threads: str = ""
    instructions: tuple[str, ...] = ()
    sometimes: bool = False
    message: str = ""
    conforms_as: str = ""


class Described(TypedDict, total=False):
    """A text, or an array: its dtype, shape and nested values; only the `first` of a long array.

    Numbers that JSON lacks are text: `nan`, `inf`, `-inf`, complex numbers. An input may have a
    `layout`, and the `recipe` from which it is made, or be `real` data. An expectation may be the
    answer of the `reference`. It may also state only the values `at` some positions, groups of
    positions with `equal` values, and positions that are `nonzero`.
    """

    dtype: str
    shape: list[int]
    values: Any
    first: list[Any]
    text: str
    layout: str
    recipe: Mapping[str, Any]
    real: str
    reference: str
    at: list[Any]
    equal: list[Any]
    nonzero: list[Any]


class DescribedBackend(TypedDict, total=False):
    """A backend that was asked for: its info, or the reason why it is `unavailable` or `broken`.

    `adapter` is the name of its backend, if `id` is a label. Other keys may be anything.
    """

    id: Required[str]
    unavailable: str
    broken: str
    adapter: str
    library: str
    version: str
    device: str
    operations: Mapping[str, Mapping[str, Any]]
    capabilities: list[str]
    made_from: str | None
    threads: int | None
    instructions: str | None
    settings: Mapping[str, Any]


class DescribedEnvironment(TypedDict, total=False):
    """The machine of a run. Keys that are not listed here may be anything.

    `writes_confined` is true if workers could write only to their own folders, `signals_confined`
    if they could signal only processes that they started. `unconfined` is the reason if one of them
    is false. Older records lack these keys.
    """

    python: str
    platform: str
    cpu: str
    cores: int | None
    memory_gib: float | None
    writes_confined: bool
    signals_confined: bool
    unconfined: str


class DescribedSettings(TypedDict, total=False):
    """How a run was made: the `selection` of cases in words, or the profile of timings.

    `named_specs` is true if the run was of other specs than all shipped ones; then `suite` is the
    digest of those specs. `workloads` maps names to digests. Other keys may be anything.
    """

    selection: str
    named_specs: bool
    profile: str
    reference: str
    workloads: Mapping[str, str]


class DescribedCall(TypedDict, total=False):
    """A call, as `CallSpec.describe` gives it."""

    operation: str
    inputs: Mapping[str, Described]
    options: Mapping[str, Any]
    observe: list[str]
    exported_for: Mapping[str, str]


class DescribedRound(TypedDict, total=False):
    """One round of a cell; see `RoundsLine`."""

    order: Required[list[str]]
    blocks: Required[Mapping[str, list[list[float]]]]
    noise: Required[Mapping[str, float]]


@dataclass(frozen=True)
class ResultLine:
    """The result of a case on a backend.

    `seconds` is the time of backend and harness together, `backend_seconds` the backend's own
    share: preparing calls and answering them. `reading` says what an implementation-defined call
    did; `reading_word` is the ledger's word for it, None if the case has words of its own.
    `bound_width` is the error bound by which an answer was judged, as the largest share of a value;
    0 means an exact comparison. If it is set and the outcome is `observed`, the bound was too wide
    to judge by. `helped` is what the adapter declared to have done itself. `notes` are
    `unavailable` if the backend cannot run here, `only-after-others` if the case passes in a fresh
    process, and `conforms` if the outcome is stale because the case passes.
    """

    case: str
    clauses: tuple[str, ...]
    level: str
    backend: str
    outcome: str
    kind: str | None
    message: str
    seconds: float
    backend_seconds: float = 0.0
    silent: bool | None = None
    reading: str | None = None
    observed: Mapping[str, Described] = field(default_factory=dict)
    deviation: KnownDeviation | None = None
    bound_width: float | None = None
    helped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reading_word: str | None = None
    type: str = "result"


@dataclass(frozen=True)
class RoundsLine:
    """The raw readings of one generation of workers in one cell, from which figures are computed.

    `inputs` describes the table and the traces. `arms` has, for each arm by its key, the backend,
    its role, and what was measured before the first round and after the last. `rounds` are in the
    order of execution. Each has `order`, `noise`, and for each arm its two `blocks`, there and
    back. A block is a list: seconds, CPU seconds, involuntary context switches; then seconds, CPU
    seconds and background threads' CPU seconds of the wait before it; then CPU seconds to wake and
    rest helper threads. Older records have fewer numbers. `stopped` says why a cell did not begin.
    """

    workload: str
    state: str
    threads: int
    generation: int
    reference: str | None
    inputs: Mapping[str, Any]
    arms: Mapping[str, ArmRecord]
    rounds: tuple[Mapping[str, Any], ...]
    lost: tuple[Lost, ...] = ()
    stopped: str | None = None
    type: str = "rounds"


@dataclass(frozen=True)
class Reason:
    """A reason for the verdict on a timing: `kind` says what it is about, `text` is for people."""

    kind: str
    text: str


@dataclass(frozen=True)
class Measurement:
    """One timing: a workload on a backend, in one cache state, with a number of threads.

    `role` is `reference` (the baseline), `candidate`, `a/a` (the baseline again, in processes of
    its own under a second name) or `sentinel` (a plain gather in NumPy). `ratio` is this backend's
    time over the baseline's in the same rounds; `ratio_low` and `ratio_high` are the ends of its
    95 % confidence interval. `verdict` is FASTER, SLOWER, SAME or INCONCLUSIVE against the
    baseline, or NOT TIMED, without figures. `reasons` say why; `message` has all of their texts.
    `flags` name what disturbed the timing, or in what it differs from the cell's description.
    `break_even_calls` is the number of calls after which a longer preparation is paid back; None if
    that never happens, or the preparation is not longer.
    """

    workload: str
    backend: str
    state: str
    threads: int | None
    ns_per_lookup: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: str
    first_call_seconds: float | None
    role: str = "candidate"
    message: str = ""
    flags: tuple[str, ...] = ()
    break_even_calls: float | None = None
    details: TimingDetails = field(default_factory=TimingDetails)
    reasons: tuple[Reason, ...] = ()
    type: str = "measurement"


@dataclass(frozen=True)
class PriceLine:
    """What one semantic, stage or spelling costs a backend, compared with the call without it.

    `kind` is `semantics`, `stage` or `spelling`. `ratio` is the time of `variant` over that of
    `plain`, in the same process and rounds; `ratio_low` and `ratio_high` are the ends of its 95 %
    confidence interval. `verdict` is SLOWER if the variant costs time, FASTER if it saves time,
    SAME, INCONCLUSIVE, or NOT TIMED, with the reason in `message`.
    """

    workload: str
    backend: str
    threads: int | None
    kind: str
    variant: str
    plain: str
    ns_plain: float | None
    ns_per_call: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: str
    message: str = ""
    details: PriceDetails = field(default_factory=PriceDetails)
    type: str = "price"


@dataclass(frozen=True)
class RunFooter:
    """How a run ended; `counts` maps outcomes or verdicts to their number of lines."""

    finished: str
    seconds: float
    exit_code: int
    counts: Mapping[str, int]
    type: str = "end"


Line = (
    RunHeader
    | ClauseLine
    | CaseLine
    | ResultLine
    | RoundsLine
    | Measurement
    | PriceLine
    | RunFooter
)
LINE_TYPES: dict[str, type[Line]] = {
    "run": RunHeader,
    "clause": ClauseLine,
    "case": CaseLine,
    "result": ResultLine,
    "rounds": RoundsLine,
    "measurement": Measurement,
    "price": PriceLine,
    "end": RunFooter,
}


def to_json_data(line: Line) -> dict[str, Any]:
    """Turn a line into plain JSON data, with `type` as the first key."""
    data: dict[str, Any] = to_plain(line, whole=True)
    # `reading` and `writer` recognise a line by its first characters.
    return {"type": data.pop("type"), **data}

"""The lines of `results.jsonl`, and the version of their format.

A file is one or more runs. A run is a `run` header, then `clause`, `case`, `result`, `rounds`,
`measurement` and `price` lines, and an `end` footer; without a footer the run is partial.
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

    `backends` holds, for each backend asked for, its info (see `messages.describe_info`), or `id`
    and `unavailable`, the reason. `times` are UTC in ISO 8601.
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

    `call` and `control` are as `CallSpec.describe` gives them, `expected` and `control_expected`
    map observations to described arrays (None for a rejection). `readings` maps the names of the
    answers that an implementation-defined case tells apart to such observations, `pytorch` is the
    one that PyTorch gives. `parameters` are the current values of the case's matrix. A case of
    several calls has the labels of its `steps`; `call` and `expected` are those of the first.
    `fingerprint` is a digest of all that the case is judged by, long arrays and bounds too.
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
    """The entry that names what departed: see `execution.judging.deviations.Deviation`.

    Records from before there were causes have none.
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
    """A text; or an array's dtype, shape and values (nested), of which a long one has the first.

    What JSON has no number for is text: `nan`, `inf`, `-inf`, complex numbers. An input may have a
    `layout` and the `recipe` that it is made by, or be `real` data. An expectation may be what the
    `reference` answers, or state the values `at` some places, which places are `equal` to one
    another, and which are `nonzero`.
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
    """A backend that was asked for: its info, or `unavailable` or `broken`, the reason.

    `adapter` is whose it is, where its `id` is a label. What is not listed here may be anything.
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
    """The machine of a run. What is not listed here may be anything.

    `writes_confined` is true where workers could write to their own folders only,
    `signals_confined` where they could signal only what they started themselves; `unconfined` is
    the reason where one is not. Records from before that have neither.
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

    `named_specs` is true where not all shipped specs were run, or others, so that `suite` is the
    digest of these. `workloads` has a digest of each. What is not listed here may be anything.
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
    """What a case came to on a backend.

    `seconds` is backend and harness together, `backend_seconds` the backend's own share: preparing
    calls and answering them. `reading` says what an implementation-defined call did;
    `reading_word` is the ledger's word for it, None where the case has words of its own.
    `bound_width` is the largest part of a value by which a judged answer might have been off, 0
    where it was exact, so that an outcome of `observed` with it says that no bound was narrow
    enough to judge by. `helped` is what the adapter did of the call itself, as it says. `notes` are
    `unavailable` where the backend cannot run here, `only-after-others` where the case passes in a
    fresh process, and `conforms` where it is stale because it passes.
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
    """What was read while one generation of workers timed one cell: all that figures rest on.

    `inputs` describes table and traces. `arms` says of each arm, by its key, which backend has
    which role, and what was found out before its first round and after its last. `rounds` have,
    in the order in which they were run, `order`, `noise` and for each arm its two `blocks`, there
    and back: seconds, CPU seconds, involuntary switches, then seconds, CPU seconds and CPU seconds
    of background threads while the worker waited before. `stopped` says why a cell did not begin.
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
    """What is to be said of a timing: `kind` names what it is about, `text` is for people."""

    kind: str
    text: str


@dataclass(frozen=True)
class Measurement:
    """One timing: a workload on a backend, in one cache state, with a number of threads.

    `role` is `reference`, `candidate`, `a/a` (the reference in processes of its own, under a second
    name) or `sentinel` (a bare gather of NumPy's). `ratio` is this backend's time over the
    reference backend's, within rounds; `ratio_low` and `ratio_high` bound its 95 % interval.
    `verdict` is FASTER, SLOWER, SAME or INCONCLUSIVE against the reference, or NOT TIMED, without
    figures. `reasons` say why, `message` has their texts in one. `flags` name what disturbed the
    timing, or keeps it from being what the cell says. `break_even_calls` is after how many calls a
    longer preparation is paid back; None where it never is, or there is none.
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
    """What one semantic, stage or spelling costs a backend, paired with the call without it.

    `kind` is `semantics`, `stage` or `spelling`. `ratio` is the time of `variant` over that of
    `plain`, in the same process and rounds, with the bounds of its 95 % interval; `verdict` is
    SLOWER where it costs, FASTER where it saves, SAME, INCONCLUSIVE, or NOT TIMED with the reason
    in `message`.
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
    """How a run ended; `counts` maps outcomes or verdicts to how often they came."""

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
    """Turn a line into plain JSON data, `type` first."""
    data: dict[str, Any] = to_plain(line, whole=True)
    # First, so that `reading` and `writer` know a line by how it begins.
    return {"type": data.pop("type"), **data}

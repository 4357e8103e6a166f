"""A cell's rounds as lines of the record: ratios, verdicts, and the figures behind them.

All of it is computed from `rounds` lines, so that it can be recomputed from a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

import numpy as np

from embcheck.conformance.records.details import (
    ArmRecord,
    CallTimes,
    CellInputs,
    GateResult,
    Memory,
    Preparation,
    Rounds,
    Spread,
    Threads,
    TimingDetails,
)
from embcheck.conformance.records.lines import Measurement, Reason, RoundsLine
from embcheck.conformance.records.plain import from_plain
from embcheck.conformance.timing.clock.arms import A_A, CANDIDATE, REFERENCE, SENTINEL
from embcheck.conformance.timing.clock.schedule import Block
from embcheck.conformance.timing.clock.workers import SENTINEL_NAME
from embcheck.conformance.timing.statistics.estimate import (
    FEWEST_GENERATIONS,
    Conclusion,
    Estimate,
    estimate,
    fold,
    log_ratios,
)
from embcheck.conformance.timing.statistics.moderation import moderate
from embcheck.conformance.timing.verdicts.decide import Because, Doubt, decide
from embcheck.conformance.timing.verdicts.raw import CellKey, CellRecord, group
from embcheck.conformance.timing.verdicts.trust import (
    Judged,
    Row,
    correct,
    limit_run,
    limit_verdicts,
    with_reasons,
    withdraw,
)

NOBODY = "no backend passed the gate"
CACHE_FACTOR = 4

Estimates = Mapping[tuple[CellKey, str], Estimate]
"""By cell and arm."""


def measurements(
    lines: Iterable[RoundsLine],
    backends: Sequence[str],
    generations: int,
    impossible: Mapping[Row, str] | None = None,
) -> list[Measurement]:
    """Turn the rounds of a run into its measurements: of each backend, of A/A, of the sentinel.

    `generations` is how many were planned; a cell that has fewer has no verdicts. `impossible`
    describes impossible rates by row. Such a row has no verdict; if it is the baseline's, none in
    its cell has one.
    """
    records = list(group(lines).values())
    estimates = _estimates(records)
    cells = [measure(record, backends, generations, estimates) for record in records]
    # In this order: an A/A row with an impossible rate must not set the margin of the run, and
    # significance among all comparisons is judged by the margin that holds in the end.
    judged = [one for cell in cells for one in withdraw(cell, impossible or {})]
    judged = limit_run(judged)
    return [one.line for one in correct(judged)]


def _estimates(records: Sequence[CellRecord]) -> Estimates:
    """Compare all arms with the baseline; an arm's cells of one kind share a variance."""
    kinds: dict[tuple[str, str, int], dict[CellKey, Estimate]] = {}
    for record in records:
        for key in record.first.arms:
            found = _estimate(record, key)
            if found is not None:
                kinds.setdefault((key, *record.id[1:]), {})[record.id] = found
    return {
        (cell, key): moderated
        for (key, *_), found in kinds.items()
        for cell, moderated in zip(found, moderate(list(found.values())), strict=True)
    }


def measure(
    record: CellRecord, backends: Sequence[str], generations: int, estimates: Estimates
) -> list[Judged]:
    """Return a cell's lines: one for each backend, for A/A and for the sentinel."""
    # A cell in which nothing was timed has an A/A row all the same, which says why.
    twin = record.twin or backends[0]
    roles = [(name, REFERENCE if name == record.reference else CANDIDATE) for name in backends]
    found = [
        _judge(record, *who, estimates) for who in (*roles, (twin, A_A), (SENTINEL_NAME, SENTINEL))
    ]
    found = limit_verdicts(found, record.flagged(), record.sentinel_drift())
    # Planned ones: an interrupted run has fewer for another reason, which is given below.
    if generations < FEWEST_GENERATIONS:
        few = Doubt(Because.PARTIAL, said_of_few(generations), few=True)
        return [one.but(few) for one in found]
    missing = generations - len(record.lines)
    said = f"{len(record.lines)} of {generations} generations were timed"
    partial = Doubt(Because.PARTIAL, said)
    return [one.but(partial) for one in found] if missing > 0 else found


def _judge(record: CellRecord, backend: str, role: str, estimates: Estimates) -> Judged:
    key = record.key(backend, role)
    if key is None:
        return Judged(_not_timed(record, backend, role))
    found = estimates.get((record.id, key))
    figures = Figures.of(record, key)
    line = Measurement(
        workload=record.first.workload,
        backend=backend,
        state=record.first.state,
        threads=record.first.threads,
        ns_per_lookup=figures.seconds / record.inputs["lookups"] * 1e9,
        ratio=1.0 if role == REFERENCE else found.ratio if found else None,
        ratio_low=1.0 if role == REFERENCE else found.low if found else None,
        ratio_high=1.0 if role == REFERENCE else found.high if found else None,
        verdict=decide(found),
        first_call_seconds=figures.life.get("first_call_seconds"),
        role=role,
        break_even_calls=_break_even(record, figures) if role == CANDIDATE else None,
        details=replace(_details(record, key, figures), spread=_spread(found)),
    )
    said = {
        Because.NO_REFERENCE: [_lost_reference(record)],
        Because.CACHE: _state_notes(record, key),
    }
    reasons = [Reason(kind, text) for kind, texts in said.items() for text in texts if text]
    judged = Judged(with_reasons(line, reasons), found)
    over = _threads_over(record, key)
    return judged.but(Doubt(Because.THREADS, over)) if over and role != SENTINEL else judged


def said_of_few(generations: int) -> str:
    """Say why so few generations decide nothing."""
    what = "one generation" if generations == 1 else f"{generations} generations"
    return f"{what} of processes cannot decide: it takes {FEWEST_GENERATIONS}"


def _spread(found: Estimate | None) -> Spread | None:
    if found is None or not found.freedom:
        return None
    return Spread(found.error * found.generations**0.5, found.freedom)


def _not_timed(record: CellRecord, backend: str, role: str) -> Measurement:
    lost = record.lost(backend, role)
    if lost is None and role not in (A_A, SENTINEL):
        # The baseline of one generation may have been lost as a candidate in another.
        lost = record.lost(backend, CANDIDATE) or record.lost(backend, REFERENCE)
    line = Measurement(
        workload=record.first.workload,
        backend=backend,
        state=record.first.state,
        threads=record.first.threads,
        ns_per_lookup=None,
        ratio=None,
        ratio_low=None,
        ratio_high=None,
        verdict=Conclusion.NOT_TIMED,
        first_call_seconds=None,
        role=role,
    )
    said = lost or record.first.stopped or _lost_reference(record) or NOBODY
    return with_reasons(line, [Reason(Because.LOST, said)])


@dataclass(frozen=True)
class Figures:
    """An arm's seconds for a call in the steady state, and for everything before it.

    `life` has medians over generations, each of which is a fresh process with a first call. Only
    preparation is the first generation's, since later ones may find its compiled files on disk.
    """

    seconds: float
    life: Mapping[str, float]

    @staticmethod
    def of(record: CellRecord, key: str) -> Figures:
        """Take the figures of an arm from its cell's rounds."""
        middles = [float(np.median(fold(pairs))) for pairs in record.seconds_per_call(key)]
        lives = [arm.life for arm in record.arms(key)]
        names = dict.fromkeys(name for life in lives for name in life)
        return Figures(
            # The mean is of logs, as for the ratio, which then is the quotient of two such times.
            float(np.exp(fmean(middles))),
            {
                name: lives[0][name]
                if name == "prepare_seconds"
                else median(life[name] for life in lives if name in life)
                for name in names
            },
        )

    @property
    def set_up_seconds(self) -> float | None:
        """Seconds from a call's description to its first answer, less those of a later call."""
        if "first_call_seconds" not in self.life:
            return None
        first = self.life["prepare_seconds"] + self.life["first_call_seconds"]
        return max(0.0, first - self.seconds)


def _break_even(record: CellRecord, figures: Figures) -> float | None:
    """Return the calls that pay back a longer preparation than the baseline's; None if none do."""
    key = record.key_of(REFERENCE)
    if key is None:
        return None
    base = Figures.of(record, key)
    # A backend that is not faster in the steady state never pays back a longer preparation.
    mine, theirs, gain = figures.set_up_seconds, base.set_up_seconds, base.seconds - figures.seconds
    if mine is None or theirs is None or gain <= 0:
        return None
    return (mine - theirs) / gain if mine > theirs else None


def _estimate(record: CellRecord, key: str) -> Estimate | None:
    own = record.first.arms[key]
    # The A/A row repeats the run's own baseline, whichever backend ratios are taken to now.
    base = record.key_of(REFERENCE) if own.role != A_A else record.original(own.backend)
    if base in (None, key) or record.key(own.backend, own.role) is None:
        return None
    pairs = zip(record.seconds_per_call(key), record.seconds_per_call(base), strict=True)
    return estimate([log_ratios(*both) for both in pairs])


def _lost_reference(record: CellRecord) -> str:
    name = record.reference
    if name is None or record.key(name, REFERENCE) is not None:
        return ""
    lost = record.lost(name, REFERENCE) or record.lost(name, CANDIDATE)
    return f"no ratio: the baseline {name} was lost: {lost or 'it was not timed here'}"


def _state_notes(record: CellRecord, key: str) -> list[str]:
    """Say if an arm's cold cell is less cold than the protocol requires."""
    inputs = record.inputs_of(key)
    cache = inputs["last_level_cache_bytes"]
    if record.first.state != "cold":
        return []
    if cache is None:
        return ["the size of the last-level cache is not known"]
    table, touched = (inputs[name] / cache for name in ("table_bytes", "touched_bytes"))
    said = f"the table is {table:.1f} times the last-level cache, not {CACHE_FACTOR}"
    fits = f"the rows of all traces fit in the last-level cache: {touched:.2f} times its size"
    return [said] * (table < CACHE_FACTOR) + [fits] * (touched < 1)


def _threads_over(record: CellRecord, key: str) -> str:
    """Say if an arm had more threads than the cell allows.

    The calling thread, threads that dispatch and those of a pool hand work to each other and do
    not run at once. So up to twice the allowed number plus two may have worked.
    """
    allowed = record.first.threads
    for arm in record.arms(key):
        for pool, size in arm.threads.get("pools", {}).items():
            if size > allowed:
                return f"its pool {pool} is of {size} threads where {allowed} are allowed"
        worked = arm.threads.get("working_threads") or 0
        if worked > 2 * allowed + 2:
            return f"{worked} threads worked where {allowed} are allowed"
    return ""


def _details(record: CellRecord, key: str, figures: Figures) -> TimingDetails:
    """Return what the figures rest on."""
    arms, inputs = record.arms(key), record.inputs_of(key)
    rounds = [pair for generation in record.blocks(key) for pair in generation]
    blocks = [block for pair in rounds for block in pair]
    nanoseconds = np.array([block.per_call for block in blocks]) * 1e9
    per_call, gates = figures.seconds * 1e9, [arm.gate for arm in arms]
    # The largest error of any generation, since each judged its own workers.
    worst = {name: max(gate[name] for gate in gates) for name in gates[0] if name != "index_change"}
    threads = arms[0].threads
    return TimingDetails(
        reference=record.reference,
        times=CallTimes(
            ns_per_call=per_call,
            ns_per_bag=per_call / inputs["bags"] if inputs["bags"] else None,
            p50_ns=float(np.quantile(nanoseconds, 0.5)),
            p99_ns=float(np.quantile(nanoseconds, 0.99)),
        ),
        gate=from_plain(GateResult, {"index_change": gates[0].get("index_change"), **worst}),
        preparation=from_plain(
            Preparation, {"import_seconds": arms[0].import_seconds, **figures.life}
        ),
        inputs=from_plain(CellInputs, inputs),
        rounds=_rounds(record, arms, blocks),
        threads=from_plain(Threads, threads) if threads else None,
        spelling=inputs.get("spelled", {}).get(key),
        memory=Memory(max((arm.resident_bytes or 0 for arm in arms), default=0) or None),
    )


def _rounds(record: CellRecord, arms: Sequence[ArmRecord], blocks: Sequence[Block]) -> Rounds:
    """Return the cost of the harness and of waiting, and the number of cores in use."""
    wall = sum(block.seconds for block in blocks)
    idle = sum(block.idle_seconds for block in blocks)
    loop = median(arm.clock["loop_seconds"] for arm in arms)
    return Rounds(
        generations=len(arms),
        rounds=len(blocks) // 2,
        calls_per_block=tuple(arm.calls_per_block for arm in arms),
        timer_seconds=median(arm.clock["timer_seconds"] for arm in arms),
        loop_seconds=loop,
        harness_share=loop * sum(block.calls for block in blocks) / wall,
        cores_used=sum(block.cpu_seconds for block in blocks) / wall,
        # Blocks of older records do not tell how long their worker waited.
        idle_cpu_share=sum(b.background_seconds for b in blocks) / idle if idle else None,
        involuntary_switches=sum(block.switches for block in blocks),
        flagged_rounds=_count(record.flagged()),
    )


def _count(flagged: list[list[str]]) -> dict[str, int]:
    kinds = sorted({name for names in flagged for name in names})
    counts = {kind: sum(kind in names for names in flagged) for kind in kinds}
    return {**counts, "any": sum(map(bool, flagged)), "of": len(flagged)}

"""The timings of a report: rows by cell, and the geometry of their interval bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.records.details import TimingDetails
from embcheck.conformance.records.lines import Measurement, PriceLine, Reason
from embcheck.conformance.records.plain import to_plain
from embcheck.reports.curves import point_of
from embcheck.reports.merge import row_name
from embcheck.reports.units import (
    bytes_text,
    nanoseconds_text,
    plural,
    rate_text,
    seconds_text,
    share_text,
    value_text,
)
from embcheck.reports.untrusted import finite, one_line

WIDTH = 200.0
MARGIN = 8.0
_FURTHEST = 1000.0
"""The bars reach from 1/1000 to 1000; values beyond are drawn at the edge."""
_NEAREST = 1.1
MOST = 1.05
"""The largest credible share of a ceiling: with a larger one, the ceiling was measured too low."""
_MANY_CALLS = 1e9
_VERDICTS = frozenset({"FASTER", "SLOWER", "SAME", "INCONCLUSIVE", "NOT TIMED"})


@dataclass(frozen=True)
class IntervalBar:
    """The place of an interval, in the units of the picture."""

    low: str
    high: str
    middle: str


@dataclass(frozen=True)
class Costs:
    """The figures of a call and their shares of the machine's limits, as text.

    `rate` counts compulsory bytes; `of_gather` and `of_copy` are its shares of the ceilings.
    """

    per_bag: str
    p50: str
    p99: str
    rate: str
    of_gather: str
    of_copy: str
    peak: str
    ulp: str
    new_shape: str


@dataclass(frozen=True)
class TimingRow:
    """One timing as text, with its bar if it has an interval."""

    backend: str
    role: str
    per_lookup: str
    ratio: str
    interval: str
    bar: IntervalBar | None
    verdict: str
    tone: str
    first_call: str
    costs: Costs
    message: str
    flags: tuple[str, ...]
    break_even: str
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CellTimings:
    """The timings of one cell: a workload in one state, with a number of threads.

    `notes` and `flags` are those that its rows share; the rows do not repeat them.
    """

    name: str
    circumstances: str
    rows: tuple[TimingRow, ...]
    notes: tuple[str, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class RatioAxis:
    """A logarithmic axis of ratios, the same for all bars of a report."""

    least: float
    most: float

    def place(self, ratio: float) -> str:
        """Return the place of a ratio, in the units of the picture."""
        low, high = math.log(self.least), math.log(self.most)
        share = (math.log(min(max(ratio, self.least), self.most)) - low) / (high - low)
        return f"{MARGIN + share * (WIDTH - 2 * MARGIN):.1f}"


@dataclass(frozen=True)
class Timings:
    """All timings of a report, as they were made, and against each baseline by its name."""

    axis: RatioAxis
    groups: tuple[CellTimings, ...]
    choices: Mapping[str, tuple[CellTimings, ...]] = field(default_factory=dict)


def timings(
    measurements: Iterable[Measurement],
    turned: Mapping[str, Iterable[Measurement]] = MappingProxyType({}),
) -> Timings:
    """Group measurements by cell, with bars on one axis; leave out points of curves.

    `turned` has the same measurements against other baselines, by the baseline's name.
    """
    lines = [line for line in measurements if point_of(line) is None]
    others = {name: {row_name(line): line for line in found} for name, found in turned.items()}
    axis = _axis([*lines, *(line for found in others.values() for line in found.values())])
    cells: dict[tuple[str, str], list[Measurement]] = {}
    for line in lines:
        cells.setdefault((str(line.workload), circumstances(line)), []).append(line)
    # Each choice has the same rows in the same order: the page's script only changes their texts.
    choices = {
        name: tuple(
            _group(*cell, [found.get(row_name(one)) or _apart(one, name) for one in rows], axis)
            for cell, rows in cells.items()
        )
        for name, found in others.items()
    }
    return Timings(axis, tuple(_group(*name, cell, axis) for name, cell in cells.items()), choices)


def choices(found: Timings) -> list[dict[str, Any]]:
    """Return what differs between baselines, for the page's script: as timed, then each choice.

    That is the notes of cells, and for each row its role, ratio, interval, bar, verdict, tone,
    flags, message, and when its preparation is paid back. All texts are safe to show.
    """
    return [
        {
            "notes": [_notes(group) for group in groups],
            "rows": [_compact(row) for group in groups for row in group.rows],
        }
        for groups in (found.groups, *found.choices.values())
    ]


def _notes(group: CellTimings) -> list[str]:
    flagged = [f"flags: {one_line(', '.join(group.flags), 120)}"] if group.flags else []
    return [*(one_line(note, 300) for note in group.notes), *flagged]


def _compact(row: TimingRow) -> list[Any]:
    bar = row.bar and [row.bar.low, row.bar.high, row.bar.middle]
    flagged, said = one_line(", ".join(row.flags), 120), one_line(row.message, 300)
    texts = (one_line(row.verdict, 20), row.tone, flagged, said, row.break_even)
    return [one_line(row.role, 20), row.ratio, row.interval, bar, *texts]


def _apart(line: Measurement, baseline: str) -> Measurement:
    """Return a timing without ratio and verdict, since it was not timed beside the baseline."""
    if line.verdict == "NOT TIMED":
        return line
    reason = Reason("no-reference", f"no ratio: {baseline} was not timed beside it")
    role = "candidate" if line.role == "reference" else line.role
    none: dict[str, Any] = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "break_even_calls"))
    return replace(
        line, role=role, verdict="INCONCLUSIVE", flags=(), reasons=(reason,), message="", **none
    )


def reasons(line: Measurement) -> list[str]:
    """Return the remarks on a timing as a list; older records have them in one message."""
    found = [str(reason.text) for reason in line.reasons]
    spelled = line.details.spelling
    own = [f"timed by its spelling {spelled}"] if spelled is not None else []
    own += _stored_table(line) + _low_ceilings(line)
    return own + (found or ([str(line.message)] if line.message else []))


def _stored_table(line: Measurement) -> list[str]:
    """Say by which scheme the table is stored, and in how many bytes."""
    inputs = line.details.inputs
    if inputs is None or inputs.table[-1] not in SCHEMES:
        return []
    return [f"its table is stored as {inputs.table[-1]}, in {bytes_text(inputs.table_bytes)}"]


def _low_ceilings(line: Measurement) -> list[str]:
    """Say which ceilings a rate exceeds: they were measured too low, so no share of them counts."""
    shares = line.details.shares
    if shares is None:
        return []
    known = {"gather": finite(shares.share_of_gather), "copy": finite(shares.share_of_copy)}
    return [
        f"its rate is {share:.0%} of the {name}'s: that ceiling was measured too low"
        for name, share in known.items()
        if share is not None and share > MOST
    ]


def shared_reasons(lines: Sequence[Measurement]) -> list[str]:
    """Return the notes that all timings of a cell share, or all but the baseline's."""
    # The baseline and its a/a have no reasons about a ratio, which all the others may share.
    compared = [
        line
        for line in lines
        if finite(line.ratio) is not None and line.role not in ("reference", "a/a")
    ]
    found = (_shared([reasons(line) for line in some]) for some in (lines, compared))
    return list(dict.fromkeys(reason for some in found for reason in some))


def mixed_baselines(lines: Sequence[Measurement]) -> list[str]:
    """Say which backends' ratios are to which baseline, if a table has several baselines."""
    found: dict[str, list[str]] = {}
    for line in lines:
        base = line.details.reference
        if base is not None and line.role == "candidate" and finite(line.ratio) is not None:
            found.setdefault(str(base), []).append(str(line.backend))
    named = {str(line.backend) for line in lines if line.role == "reference"}
    # With one baseline, the table's own first row says it.
    if len(named | set(found)) < 2:
        return []
    return [f"ratios to {base}: {', '.join(names)}" for base, names in found.items()]


def in_short(reason: str, line: Measurement) -> str:
    """Shorten the remark on a timing's resolution: the reason for it is in the details."""
    found = line.details.resolution
    if found is None or reason != found.resolution_note or finite(found.resolution) is None:
        return reason
    return reason.partition(" count: ")[0] + " count"


def _shared(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the words that all of several rows have, in order; none for a single row."""
    several = len(rows) > 1
    return [word for word in rows[0] if all(word in row for row in rows)] if several else []


def _group(
    name: str, circumstances: str, lines: Sequence[Measurement], axis: RatioAxis
) -> CellTimings:
    notes = [*mixed_baselines(lines), *shared_reasons(lines)]
    common = _shared([flags(line) for line in lines])
    rows = (
        replace(
            _row(line, axis),
            message="; ".join(in_short(part, line) for part in reasons(line) if part not in notes),
            flags=tuple(flag for flag in flags(line) if flag not in common),
        )
        for line in lines
    )
    return CellTimings(name, circumstances, tuple(rows), tuple(notes), tuple(common))


def role_text(line: Measurement) -> str:
    """Return the role of a row in words; empty for an ordinary backend."""
    words = {"candidate": "", "reference": "baseline"}
    return words.get(line.role, str(line.role))


def circumstances(line: Measurement) -> str:
    """Return the cache state and the number of threads, e.g. `hot, 2 threads`."""
    threads = f", {plural(line.threads, 'thread')}" if isinstance(line.threads, int) else ""
    return f"{line.state}{threads}"


def flags(line: Measurement) -> tuple[str, ...]:
    """Return the names of what disturbed a timing."""
    return tuple(str(flag) for flag in line.flags) if isinstance(line.flags, list | tuple) else ()


def break_even_text(line: Measurement) -> str:
    """Say after how many calls a longer preparation is paid back; empty if never."""
    calls = finite(line.break_even_calls)
    if calls is None or calls < 0:
        return ""
    return f"{calls:.0e} calls" if calls > _MANY_CALLS else plural(math.ceil(calls), "call")


def ratio_texts(line: Measurement | PriceLine) -> tuple[str, str]:
    """Return the texts of a ratio (a dash if unknown) and of its interval (empty if unknown)."""
    ratio, low, high = finite(line.ratio), finite(line.ratio_low), finite(line.ratio_high)
    interval = "" if low is None or high is None else f"{low:.3g} to {high:.3g}"
    return "-" if ratio is None else f"{ratio:.3g}", interval


def _axis(lines: Iterable[Measurement]) -> RatioAxis:
    bounds = [finite(b) for line in lines for b in (line.ratio_low, line.ratio_high, line.ratio)]
    known = [bound for bound in bounds if bound is not None and bound > 0]
    # The axis always has 1 on it: whether a bar crosses that is what a reader looks for.
    return RatioAxis(
        max(min((*known, 1.0)) / _NEAREST, 1 / _FURTHEST),
        min(max((*known, 1.0)) * _NEAREST, _FURTHEST),
    )


def _row(line: Measurement, axis: RatioAxis) -> TimingRow:
    ratio, low, high = finite(line.ratio), finite(line.ratio_low), finite(line.ratio_high)
    bar = None
    ratio_said, interval = ratio_texts(line)
    if ratio is not None and low is not None and high is not None:
        bar = IntervalBar(axis.place(low), axis.place(high), axis.place(ratio))
    verdict = str(line.verdict)
    return TimingRow(
        backend=str(line.backend),
        role=role_text(line),
        per_lookup=nanoseconds_text(finite(line.ns_per_lookup)),
        ratio=ratio_said,
        interval=interval,
        bar=bar,
        verdict=verdict,
        # A tone becomes a class of the style sheet: a record's own words must not.
        tone=verdict.lower().replace(" ", "-") if verdict in _VERDICTS else "inconclusive",
        first_call=seconds_text(finite(line.first_call_seconds)),
        costs=costs(line),
        message=str(line.message),
        flags=flags(line),
        break_even=break_even_text(line),
        details=_details(line.details),
    )


def costs(line: Measurement) -> Costs:
    """Return the figures of a timing as text; a dash for each unknown one."""
    found = to_plain(line.details)

    def number(name: str) -> float | None:
        return finite(found.get(name))

    # A call of a new shape costs its preparation and its first call together.
    new = [number(f"new_shape_{name}_seconds") for name in ("prepare", "first_call")]
    return Costs(
        per_bag=nanoseconds_text(number("ns_per_bag")),
        p50=seconds_text(_seconds(number("p50_ns"))),
        p99=seconds_text(_seconds(number("p99_ns"))),
        rate=rate_text(number("compulsory_gb_per_s")),
        of_gather=share_text(_possible(number("share_of_gather"))),
        of_copy=share_text(_possible(number("share_of_copy"))),
        peak=bytes_text(number("peak_bytes")),
        ulp=_ulp_text(line, number("largest_error_ulp")),
        new_shape=seconds_text(None if None in new else sum(filter(None, new))),
    )


def _ulp_text(line: Measurement, ulp: float | None) -> str:
    """Return an error in ulp; a dash if unknown, or if a scheme's step is the better measure."""
    return "-" if ulp is None or _stored_table(line) else f"{ulp:.3g}"


def _possible(share: float | None) -> float | None:
    """Return a share of a ceiling; None if the ceiling was measured too low."""
    return share if share is None or share <= MOST else None


def _seconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9


def _details(details: TimingDetails) -> tuple[tuple[str, str], ...]:
    """Return all details as names and texts; figures have four digits."""
    return tuple(
        (key.replace("_", " "), value_text(value))
        for key, value in to_plain(details).items()
        if value is not None
    )

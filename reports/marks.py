"""The marks of a report: the outcome of a result, with failures told apart as silent or loud."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from embcheck.conformance.records.lines import ResultLine


class Mark(StrEnum):
    """The mark of a (case, backend) pair, worst first."""

    SILENT = "silent"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    LOUD = "loud"
    ERRORED = "errored"
    STALE = "stale"
    DEVIATED = "deviated"
    NOT_RUN = "not-run"
    UNSUPPORTED = "unsupported"
    PASSED = "passed"
    EARLIER = "refused-earlier"
    OBSERVED = "observed"

    @property
    def rank(self) -> int:
        """The place in the order of severity; 0 is the worst."""
        return _RANK[self]

    @property
    def departs(self) -> bool:
        """Whether the mark is a departure from the contract."""
        return self in DEPARTURES

    @property
    def scored(self) -> bool:
        """Whether the mark belongs in the denominator of a score."""
        return self not in UNSCORED


DEPARTURES: Final = frozenset({Mark.SILENT, Mark.CRASHED, Mark.TIMED_OUT, Mark.LOUD})
UNSCORED: Final = frozenset({Mark.UNSUPPORTED, Mark.NOT_RUN, Mark.EARLIER, Mark.OBSERVED})
_RANK: Final = {mark: rank for rank, mark in enumerate(Mark)}
_NAMED: Final = {str(mark): mark for mark in Mark}
_LOUD_KIND: Final = "rejected-valid"
_ENDINGS: Final = frozenset({"crashed", "timed-out"})


@dataclass(frozen=True)
class Appearance:
    """How a mark is shown: a symbol, a short text, and a sentence for the legend."""

    symbol: str
    short: str
    meaning: str


LOOKS: Final[dict[Mark, Appearance]] = {
    Mark.SILENT: Appearance(
        "✗", "silent", "Failed silently: a wrong answer, or invalid input accepted, with no sign."
    ),
    Mark.CRASHED: Appearance("†", "crash", "The process died, with all that was in it."),
    Mark.TIMED_OUT: Appearance("◷", "timeout", "No answer in time."),
    Mark.LOUD: Appearance("!", "loud", "Failed loudly: a valid call was refused with an error."),
    Mark.ERRORED: Appearance(
        "?", "error", "The adapter or the harness is at fault, not the library."
    ),
    Mark.STALE: Appearance("↺", "stale", "A known deviation no longer happens as it is stated."),
    Mark.DEVIATED: Appearance("≈", "by chance", "Known to depart by chance; this time it did not."),
    Mark.NOT_RUN: Appearance("·", "not run", "Nothing is known."),
    Mark.UNSUPPORTED: Appearance(
        "\N{EN DASH}", "n/a", "Unsupported, with a reason; never counts as passed."
    ),
    Mark.PASSED: Appearance("✓", "passed", "As the contract states."),
    Mark.EARLIER: Appearance(
        "⇤",
        "earlier",
        "Refused by an earlier stage (a tracer, exporter or converter), before the library saw it.",
    ),
    Mark.OBSERVED: Appearance("○", "observed", "Implementation-defined: recorded, never scored."),
}


def mark_of(result: ResultLine) -> Mark:
    """Return the mark of a result; an unknown outcome counts as a fault of the harness.

    A known deviation has the mark of what happened: a silent failure stays silent.
    """
    happens = result.deviation.happens if result.deviation else None
    if result.outcome == "deviated" and happens in _ENDINGS:
        return Mark(happens)
    if result.outcome == "failed" or (result.outcome == "deviated" and result.kind):
        # Older records do not say whether a failure was silent, but a refusal of a valid call never
        # is.
        silent = result.kind != _LOUD_KIND if result.silent is None else result.silent
        return Mark.SILENT if silent else Mark.LOUD
    # A record of a newer embcheck may have outcomes that this one does not know.
    return _NAMED.get(str(result.outcome), Mark.ERRORED)

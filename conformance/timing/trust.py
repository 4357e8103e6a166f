"""When a figure may not become a verdict: A/A rows, disturbed rounds, workers that do not rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.timing.arms import A_A, REFERENCE
from embcheck.conformance.timing.estimate import MAX_FLAGGED, Conclusion

MAX_IDLE_CPU = 0.05
"""Of a core. The protocol asks for 1 %; answering the harness, about 0.2 ms a block, is in it."""


def downgrade(lines: Iterable[Measurement], reason: str) -> list[Measurement]:
    """Make every verdict but the reference's own INCONCLUSIVE, with the reason; figures stay."""
    return [
        line
        if line.verdict == Conclusion.NOT_TIMED or line.role in (REFERENCE, A_A)
        else replace(line, verdict=Conclusion.INCONCLUSIVE, message=join(line.message, reason))
        for line in lines
    ]


def take_back(lines: Iterable[Measurement], reason: str) -> list[Measurement]:
    """Downgrade what is still decided; what is INCONCLUSIVE already has its own reason."""
    return [
        line if line.verdict == Conclusion.INCONCLUSIVE else downgrade([line], reason)[0]
        for line in lines
    ]


def biased(lines: Iterable[Measurement]) -> Measurement | None:
    """Find an A/A row that found a difference where there is none: the run is not to be trusted."""
    wrong = (Conclusion.FASTER, Conclusion.SLOWER)
    return next((line for line in lines if line.role == A_A and line.verdict in wrong), None)


def distrust(lines: list[Measurement], flagged: list[list[str]]) -> list[Measurement]:
    """Take back the verdicts if the A/A row is not SAME, or the cell was disturbed too much."""
    twin = next(line for line in lines if line.role == A_A)
    if twin.verdict != Conclusion.SAME:
        said = f"the A/A row is {twin.verdict}"
        lines = downgrade(lines, said if twin.ratio is None else f"{said} ({_interval(twin)})")
    for line in lines:
        idle = line.details.get("idle_cpu_share") or 0.0
        if idle > MAX_IDLE_CPU:
            said = f"{line.backend} used {idle:.0%} of a core while others were timed"
            lines = downgrade(lines, said)
    share = sum(map(bool, flagged)) / len(flagged) if flagged else 0.0
    if share > MAX_FLAGGED:
        kinds = ", ".join(sorted({name for names in flagged for name in names}))
        lines = downgrade(lines, f"{share:.0%} of the rounds were disturbed ({kinds})")
    return lines


def _interval(line: Measurement) -> str:
    return f"{line.ratio:.3f}, {line.ratio_low:.3f} to {line.ratio_high:.3f}"


def join(*parts: str) -> str:
    """Join reasons, leaving out the empty ones."""
    return "; ".join(part for part in parts if part)

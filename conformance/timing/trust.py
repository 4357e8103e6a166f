"""What a cell can tell apart: A/A rows, disturbed rounds, workers that do not rest.

A difference that the reference shows against itself is none. So the interval of a cell's A/A row,
where it is not SAME, takes the place of the margin: what lies within is INCONCLUSIVE, and a
backend that takes a tenth of the time is still FASTER. Disturbed rounds count by how far they
moved the sentinel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.timing.arms import A_A, REFERENCE
from embcheck.conformance.timing.estimate import (
    MARGIN,
    MAX_FLAGGED,
    Conclusion,
    Estimate,
    conclude,
)

MAX_IDLE_CPU = 0.05
"""Of a core. The protocol asks for 1 %; answering the harness, about 0.2 ms a block, is in it."""


def limit_verdicts(
    lines: Sequence[Measurement], flagged: Sequence[Sequence[str]], drift: float
) -> list[Measurement]:
    """Leave the lines of a cell only the verdicts that its A/A row and its noise allow.

    `flagged` names what disturbed each round; `drift` is how far, in logs, the sentinel was off
    its median in the worst tenth of them.
    """
    twin = next(line for line in lines if line.role == A_A)
    if twin.ratio is None:
        return [_undecided(line, f"the A/A row is {twin.verdict}") for line in lines]
    if twin.verdict != Conclusion.SAME:
        lines = [coarsen(line, reach(twin), _said(twin)) for line in lines]
    share = sum(map(bool, flagged)) / len(flagged) if flagged else 0.0
    if share > MAX_FLAGGED:
        kinds = ", ".join(sorted({name for names in flagged for name in names}))
        said = f"{share:.0%} of the rounds were disturbed ({kinds})"
        lines = [coarsen(line, drift, said) for line in lines]
    for restless in lines:
        idle = restless.details.get("idle_cpu_share") or 0.0
        if idle > MAX_IDLE_CPU:
            said = f"{restless.backend} used {idle:.0%} of a core while others were timed"
            lines = [_undecided(line, said) for line in lines]
    return list(lines)


def limit_run(lines: Iterable[Measurement], wrong: Measurement) -> list[Measurement]:
    """Hold all cells of a run to the A/A row that found a difference where there is none."""
    cell = f"{wrong.workload} ({wrong.state})"
    return [
        coarsen(line, reach(wrong), f"in {cell} {_said(wrong)}")
        if (line.workload, line.state, line.threads) != (wrong.workload, wrong.state, wrong.threads)
        else line
        for line in lines
    ]


def biased(lines: Iterable[Measurement]) -> Measurement | None:
    """Find the A/A row that found the largest difference where there is none; None if none did."""
    wrong = (Conclusion.FASTER, Conclusion.SLOWER)
    rows = [line for line in lines if line.role == A_A and line.verdict in wrong]
    return max(rows, key=reach, default=None)


def reach(twin: Measurement) -> float:
    """Return how far, in logs, the interval of an A/A row goes from 1."""
    assert twin.ratio_low is not None and twin.ratio_high is not None  # noqa: S101, PT018
    return max(abs(math.log(twin.ratio_low)), abs(math.log(twin.ratio_high)))


def coarsen(line: Measurement, limit: float, reason: str) -> Measurement:
    """Judge a line again by a wider margin, in logs: FASTER and SLOWER must clear it, SAME cannot.

    The figures stay; `details.resolution` is the margin as a ratio less 1.
    """
    known = math.log1p(line.details.get("resolution", MARGIN))
    if line.role in (REFERENCE, A_A) or line.ratio is None or limit <= known:
        return line
    assert line.ratio_low is not None and line.ratio_high is not None  # noqa: S101, PT018
    resolution = math.expm1(limit)
    verdict = conclude(Estimate(line.ratio, line.ratio_low, line.ratio_high), resolution)
    if verdict == Conclusion.SAME or line.verdict == Conclusion.INCONCLUSIVE:
        verdict = Conclusion.INCONCLUSIVE
    note = f"only differences over {resolution:.0%} count: {reason}"
    before = line.message.removesuffix(str(line.details.get("resolution_note", ""))).rstrip("; ")
    details = {**line.details, "resolution": resolution, "resolution_note": note}
    return replace(line, verdict=verdict, message=join(before, note), details=details)


def _undecided(line: Measurement, reason: str) -> Measurement:
    """Make a verdict INCONCLUSIVE, with the reason; figures stay."""
    if line.verdict == Conclusion.NOT_TIMED or line.role in (REFERENCE, A_A):
        return line
    return replace(line, verdict=Conclusion.INCONCLUSIVE, message=join(line.message, reason))


def _said(twin: Measurement) -> str:
    low, high = twin.ratio_low, twin.ratio_high
    return f"the reference against itself gave {twin.ratio:.3f} ({low:.3f} to {high:.3f})"


def join(*parts: str) -> str:
    """Join reasons, leaving out the empty ones."""
    return "; ".join(part for part in parts if part)

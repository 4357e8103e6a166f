"""The decisions on generated mutants that survived, stored in `tests/mutants/survivors.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from embcheck.conformance.suite.source import read_yaml
from mutation.catalogue import SURVIVORS


class Verdict(StrEnum):
    """Why a mutant that once survived no longer shows a gap of the suite."""

    EQUIVALENT = "equivalent"
    NEW_CASE = "new case"


@dataclass(frozen=True)
class Settled:
    """A mutant that once survived, identified by its diff, and the decision on it."""

    id: str
    diff: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class GeneratedScore:
    """How many generated mutants are killed, the decisions on others, and open complaints."""

    tool: str
    killed: int
    total: int
    settled: tuple[Settled, ...]
    complaints: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Describe the score as plain data."""
        survivors = [
            {"id": one.id, "diff": one.diff, "verdict": str(one.verdict), "reason": one.reason}
            for one in self.settled
        ]
        counts = {"killed": self.killed, "total": self.total}
        return {"tool": self.tool, **counts, "survivors": survivors}


def load_settled(path: Path = SURVIVORS) -> list[Settled]:
    """Load the decisions with their reasons."""
    return [
        Settled(entry["id"], entry["diff"].strip(), Verdict(entry["verdict"]), entry["reason"])
        for entry in read_yaml(path)["survivors"]
    ]


def settle(
    tool: str, results: Iterable[tuple[str, bool]], settled: Iterable[Settled]
) -> GeneratedScore:
    """Compare the results, pairs of a mutant's diff and whether it was killed, with the decisions.

    There is a complaint for each survivor that is not settled as equivalent, and for each decision
    that no longer fits.
    """
    pairs = [(change(diff), is_killed) for diff, is_killed in results]
    killed = dict(pairs) | {diff: False for diff, is_killed in pairs if not is_killed}
    decisions = {one.diff: one for one in settled}
    return GeneratedScore(
        tool,
        killed=sum(is_killed for _, is_killed in pairs),
        total=len(pairs),
        settled=tuple(decisions.values()),
        complaints=tuple(_complaints(killed, decisions)),
    )


def _complaints(killed: Mapping[str, bool], decisions: Mapping[str, Settled]) -> Iterator[str]:
    for diff, is_killed in killed.items():
        decision = decisions.get(diff)
        if decision is None and not is_killed:
            yield f"It survives, and is not settled:\n{diff}"
        if decision is not None and is_killed != (decision.verdict is Verdict.NEW_CASE):
            happens = "is killed" if is_killed else "survives"
            yield f"{decision.id} is settled as {decision.verdict}, but {happens}."
    for diff in decisions.keys() - killed.keys():
        yield f"{decisions[diff].id} is settled, but is made no more."


def change(diff: str) -> str:
    """Return a diff without its line numbers, which other edits move."""
    return "\n".join(line for line in diff.splitlines() if not line.startswith("@@"))

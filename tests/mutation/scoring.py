"""Decide which mutants are killed, and which of their clauses no case enforces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.suite.model import Case, Clause, Level, Observes
from mutation.catalogue import Mutant
from mutation.judging import Seen


class Status(StrEnum):
    """Whether the suite kills a mutant, by cases of its own clauses or only by others."""

    KILLED = "killed"
    ELSEWHERE = "killed-elsewhere"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Result:
    """The verdict on one mutant."""

    mutant: Mutant
    diff: str
    status: Status
    killed_by: tuple[str, ...]
    not_held_to: tuple[str, ...]
    """The clauses of the mutant that no failing case covers."""
    elsewhere: int | None
    """How many cases of other clauses fail too; None if not all cases were run."""
    other_clauses: tuple[str, ...]


def goes_otherwise(correct: Seen, seen: Seen) -> bool:
    """Whether a case kills a mutant: correctly it passes or is observed, and here it differs."""
    return correct.outcome in (Outcome.PASSED, Outcome.OBSERVED) and seen != correct


def differing(
    cases: Iterable[Case], correct: Mapping[str, Seen], mutant: Mapping[str, Seen]
) -> list[Case]:
    """List the cases that kill a mutant; cases that were not run do not count."""
    judged = (case for case in cases if case.id in mutant)
    return [case for case in judged if goes_otherwise(correct[case.id], mutant[case.id])]


def not_held_to(mutant: Mutant, differing: Iterable[Case]) -> tuple[str, ...]:
    """List the clauses of a mutant that none of the differing cases covers."""
    broken = {clause for case in differing for clause in decides(case)}
    return tuple(clause for clause in mutant.clauses if clause not in broken)


def score(mutant: Mutant, diff: str, differing: list[Case], *, is_whole: bool) -> Result:
    """Return the verdict on a mutant; it is killed if each of its clauses has a differing case.

    `is_whole` says whether all cases were run on it.
    """
    own = [case for case in differing if decides(case) & set(mutant.clauses)]
    own.sort(key=lambda case: case.clauses[0].id not in mutant.clauses)
    missed = not_held_to(mutant, own)
    alive = Status.ELSEWHERE if differing else Status.SURVIVED
    status = alive if missed else Status.KILLED
    others = {case.clauses[0].id for case in differing if case not in own}
    return Result(
        mutant,
        diff,
        status,
        killed_by=tuple(case.id for case in own) if status is Status.KILLED else (),
        not_held_to=missed,
        elsewhere=len(differing) - len(own) if is_whole else None,
        other_clauses=tuple(sorted(others)),
    )


def decides(case: Case) -> set[str]:
    """Return the clauses that a case can enforce: no scored ones if it only observes."""
    is_observed = isinstance(case.expectation, Observes)
    left_open = Level.IMPLEMENTATION_DEFINED
    return {clause.id for clause in case.clauses if not is_observed or clause.level is left_open}


def by_clause(results: Iterable[Result]) -> dict[str, tuple[int, int]]:
    """Count the killed mutants and all mutants of each clause that a mutant breaks."""
    counts: dict[str, tuple[int, int]] = {}
    for result in results:
        for clause in result.mutant.clauses:
            killed, total = counts.get(clause, (0, 0))
            counts[clause] = killed + (result.status is Status.KILLED), total + 1
    return dict(sorted(counts.items()))


def untried(clauses: Iterable[Clause], mutants: Iterable[Mutant]) -> list[str]:
    """List the scored clauses that no mutant breaks."""
    tried = {clause for mutant in mutants for clause in mutant.clauses}
    return [
        clause.id
        for clause in clauses
        if clause.level is not Level.IMPLEMENTATION_DEFINED
        and not clause.torch_only
        and clause.id not in tried
    ]

"""Tell killed mutants from survivors, and clauses that are held from those that are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.suite.model import Case, Clause, Level, Observes
from mutation.catalogue import Mutant
from mutation.judging import Seen


class Status(StrEnum):
    """Whether the suite told a mutant from the correct implementation, and by which cases."""

    KILLED = "killed"
    ELSEWHERE = "killed-elsewhere"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Result:
    """What the suite made of one mutant."""

    mutant: Mutant
    diff: str
    status: Status
    killed_by: tuple[str, ...]
    not_held_to: tuple[str, ...]
    """Those of its clauses that no case holds it to."""
    elsewhere: int | None
    """How many cases of other clauses go otherwise; None where not all of them were run."""
    other_clauses: tuple[str, ...]


def goes_otherwise(correct: Seen, seen: Seen) -> bool:
    """Whether a case tells a mutant from the correct implementation, on which it must pass."""
    return correct.outcome in (Outcome.PASSED, Outcome.OBSERVED) and seen != correct


def differing(
    cases: Iterable[Case], correct: Mapping[str, Seen], mutant: Mapping[str, Seen]
) -> list[Case]:
    """List the cases that go otherwise on a mutant; those that it never came to tell nothing."""
    judged = (case for case in cases if case.id in mutant)
    return [case for case in judged if goes_otherwise(correct[case.id], mutant[case.id])]


def not_held_to(mutant: Mutant, differing: Iterable[Case]) -> tuple[str, ...]:
    """List the clauses of a mutant of which no case goes otherwise."""
    broken = {clause for case in differing for clause in decides(case)}
    return tuple(clause for clause in mutant.clauses if clause not in broken)


def score(mutant: Mutant, diff: str, differing: list[Case], *, is_whole: bool) -> Result:
    """Give the verdict on a mutant: each of its clauses must have a case that goes otherwise.

    `is_whole` says whether all cases were run on it, or only those of its clauses.
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
    """Name the clauses that a case can hold a mutant to: what is only observed breaks no other."""
    is_observed = isinstance(case.expectation, Observes)
    left_open = Level.IMPLEMENTATION_DEFINED
    return {clause.id for clause in case.clauses if not is_observed or clause.level is left_open}


def by_clause(results: Iterable[Result]) -> dict[str, tuple[int, int]]:
    """Count, for each clause that a mutant breaks, how many are killed and how many there are."""
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

"""Check that runs judge by the same cases and clauses, so that their results can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embcheck.conformance.records.lines import CaseLine, ClauseLine
from embcheck.conformance.records.reading import RecordError
from embcheck.conformance.records.run import Run

_OF_CASES = (
    *("clauses", "level", "call", "expected", "control", "control_expected"),
    *("readings", "pytorch", "steps", "fingerprint"),
)
_OF_CLAUSES = ("level", "statement", "torch_only")
REMEDY = "run both with the same specs"


class NotComparable(RecordError):
    """Two runs cannot be compared; the message says why and what to do."""


def differences(before: Iterable[Run], after: Iterable[Run]) -> list[str]:
    """Name the clauses, then the cases, that are not the same in all runs that have them."""
    # Each is compared with its line in the first run that has it.
    clauses: dict[str, ClauseLine] = {}
    cases: dict[str, CaseLine] = {}
    found: dict[str, None] = {}
    for run in (*before, *after):
        for name, clause in run.clauses.items():
            if not _alike(clauses.setdefault(name, clause), clause, _OF_CLAUSES):
                found[f"clause {name}"] = None
        for name, case in run.cases.items():
            if not _alike(cases.setdefault(name, case), case, _OF_CASES):
                found[f"case {name}"] = None
    # Clauses come first, since a changed clause explains why its cases differ.
    return sorted(found, key=lambda name: not name.startswith("clause"))


def check_alike(runs: Iterable[Run]) -> None:
    """Raise NotComparable if a case or clause is not the same in all runs that have it."""
    if found := differences(runs, ()):
        raise NotComparable(
            f"{len(found):,} clauses and cases are not the same in all runs, the first is "
            f"{found[0]}; {REMEDY}"
        )


def _alike(one: Any, other: Any, names: Iterable[str]) -> bool:
    # `reading` gives equal lines of several runs in a file as the same object.
    if one is other:
        return True
    if _is_reduced(one) or _is_reduced(other):
        return bool(one.fingerprint) and one.fingerprint == other.fingerprint
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in names)
    return all(ours == theirs or _is_older(name, ours, theirs) for name, ours, theirs in pairs)


def _is_reduced(line: CaseLine | ClauseLine) -> bool:
    """Whether a line has of a case little more than its fingerprint (`reports/accepted.py`)."""
    return isinstance(line, CaseLine) and bool(line.fingerprint) and "options" not in line.call


def _is_older(name: str, ours: Any, theirs: Any) -> bool:
    """Whether two values differ only because one record is older than fingerprints."""
    return name == "fingerprint" and not (ours and theirs)

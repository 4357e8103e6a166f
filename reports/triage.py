"""Unexplained departures, grouped, as entries for a person to fill in."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embcheck.conformance.execution.judging.verdict import Kind
from embcheck.conformance.records.reading import RecordError
from embcheck.conformance.records.writer import write_whole
from embcheck.reports.merge import Merged, MergedResult
from embcheck.reports.untrusted import one_line

_STEPS = re.compile(
    r"^(?:at \w+ = [^:]*|in step \d+): | \(also (?:at|in) .*?\)|; \d+ of \d+ steps were not asked"
)
"""The parts of a message about which steps of a case departed."""
_DETAIL = re.compile(
    r"\[[^\]]*\]+|\b(?:bool|u?int\d+|b?float\d\w*)\b|[-+]?\d[\w.+-]*|\bnan\b|\binf\b",
    re.IGNORECASE,
)
_LIST = re.compile(r"\(?#(?:, ?#)*,?\)?")
_ANSWERED = frozenset({Kind.ACCEPTED_INVALID, Kind.WRONG_VALUE, Kind.WRONG_EFFECT})
"""Kinds whose messages show an answer, which does not tell the cause."""
LINE = 72
MOST_TOLD = 40
"""The most groups of a backend that are printed."""
HEAD = """\
# Candidates from `embcheck triage`, seen on {library}.
# For each entry: reproduce it with the command above it, then fill in `cause` and `reason`, add a
# `link:` where there is one, and `when:` where it depends on the version or the device. Blank ones
# do not load. Then move the entries to deviations/{backend}.yaml beside the adapter: `embcheck
# check` says what is wrong there, and docs/deviations.md what an entry may say. The causes:
#   documented       the library documents that it does so; `link:` leads to the page
#   undocumented     it does otherwise, and its documentation does not say so
#   memory-unsafety  it reads or writes memory that is not its own, or dies of it
#   composition      it lacks the operation, and what the adapter composes does otherwise
#   environment      the harness' settings: a flag, a time limit, a number of threads
deviations:
"""


@dataclass(frozen=True)
class Candidate:
    """Cases that departed in the same way, as if by one cause.

    `cause` is the clause or the form of the message that they share. `example` is the case with
    the shortest message, which is `message`.
    """

    backend: str
    cases: tuple[str, ...]
    happens: str
    cause: str
    example: str
    message: str


def candidates(merged: Merged) -> list[Candidate]:
    """Group the departures without an explanation, the largest group of each backend first.

    The departures of a group have the same kind, and the same message apart from numbers, dtypes
    and steps. If messages would only show an answer, they have the same first clause instead.
    """
    groups: dict[tuple[str, str, str], list[MergedResult]] = {}
    for finding in merged.findings:
        if finding.mark.departs and not finding.known:
            key = (finding.backend, finding.kind, _cause(finding))
            groups.setdefault(key, []).append(finding)
    ordered = sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1])))
    return [_candidate(*key, found) for key, found in ordered]


def _candidate(backend: str, kind: str, cause: str, found: list[MergedResult]) -> Candidate:
    # The shortest message shows the cause with the fewest other things around it.
    plainest = min(found, key=lambda finding: len(finding.message))
    cases = tuple(finding.case.case for finding in found)
    return Candidate(backend, cases, kind, cause, plainest.case.case, plainest.message)


def _cause(finding: MergedResult) -> str:
    """Return what departures of one cause have in common: a clause, or a form of the message."""
    if finding.kind in _ANSWERED and finding.case.clauses:
        return finding.case.clauses[0]
    return _LIST.sub("#", _DETAIL.sub("#", _STEPS.sub("", finding.message)))


def told(merged: Merged, found: Sequence[Candidate]) -> Iterator[str]:
    """Yield lines that fit 80 columns: for each backend its groups, and a case of each."""
    for backend in dict.fromkeys(candidate.backend for candidate in found):
        groups = [candidate for candidate in found if candidate.backend == backend]
        yield f"{one_line(backend)}:"
        for candidate in groups[:MOST_TOLD]:
            said = one_line(f"{candidate.happens}: {_said(merged, candidate)}", LINE)
            yield f"{len(candidate.cases):>5,} x {said}"
            yield f"{'':8}{one_line(candidate.example)}"
        if len(groups) > MOST_TOLD:
            yield f"{'':8}... and {len(groups) - MOST_TOLD} more groups in the file"


def _said(merged: Merged, candidate: Candidate) -> str:
    """Return what a group has in common: its clause, or its message without what `happens` says."""
    clause = merged.clauses.get(candidate.cause)
    if clause is not None:
        return f"{clause.id} {clause.statement}"
    return candidate.message.replace("a valid call was refused: ", "", 1)


def write_candidates(merged: Merged, folder: Path) -> list[Path]:
    """Write `BACKEND.yaml` into a folder for each backend that has candidates.

    Raises RecordError for a backend whose name cannot be a file name.
    """
    by_backend: dict[str, list[Candidate]] = {}
    for candidate in candidates(merged):
        by_backend.setdefault(candidate.backend, []).append(candidate)
    for backend in by_backend:
        # All are checked before one is written.
        if Path(backend).name != backend or not backend.isprintable():
            said = f"the backend '{backend}' cannot name a file; run it under another label"
            raise RecordError(said)
    paths = []
    for backend, found in by_backend.items():
        entry = merged.backends[backend]
        library = f"{entry.distinct('library')} {entry.distinct('version')}"
        path = folder / f"{backend}.yaml"
        entries = "\n".join(map(_entry, found))
        write_whole(path, HEAD.format(library=one_line(library), backend=backend) + entries)
        paths.append(path)
    return paths


def _entry(candidate: Candidate) -> str:
    command = ["embcheck", "reproduce", candidate.example, "-b", candidate.backend]
    count = len(candidate.cases)
    lines = [
        f"# {count:,} {'case' if count == 1 else 'cases'}:",
        f"# {one_line(candidate.message)}",
        f"# {one_line(shlex.join(command), 2000)}",
        "- cases:",
        # JSON strings are YAML strings, whatever is in them.
        *(f"  - {json.dumps(case)}" for case in candidate.cases),
        f"  happens: {candidate.happens}",
        "  cause:",
        '  reason: ""',
    ]
    return "\n".join(lines) + "\n"

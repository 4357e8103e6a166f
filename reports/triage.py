"""Unexplained departures, grouped, as entries for a person to fill in."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from embcheck.conformance.records.reading import RecordError
from embcheck.conformance.records.writer import write_whole
from embcheck.reports.merge import Merged, MergedResult, behaviour_id
from embcheck.reports.untrusted import one_line

_DETAIL = re.compile(r"\[[^\]]*\]|[-+]?\d[\w.+-]*|nan|inf", re.IGNORECASE)
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
    """Cases of one spec that departed in the same way, and the message of the first."""

    backend: str
    cases: tuple[str, ...]
    happens: str
    message: str


def candidates(merged: Merged) -> list[Candidate]:
    """Group the departures without an explanation by backend, spec, kind and message."""
    groups: dict[tuple[str, str, str, str], list[MergedResult]] = {}
    for finding in merged.findings:
        if finding.mark.departs and not finding.known:
            pattern = _DETAIL.sub("#", finding.message)
            key = (finding.backend, behaviour_id(finding.case.case), finding.kind, pattern)
            groups.setdefault(key, []).append(finding)
    return [
        Candidate(backend, tuple(f.case.case for f in found), kind, found[0].message)
        for (backend, _, kind, _), found in groups.items()
    ]


def write_candidates(merged: Merged, folder: Path) -> list[Path]:
    """Write `BACKEND.yaml` into a folder for each backend that has candidates.

    Raises RecordError for a backend whose name cannot be a file's.
    """
    by_backend: dict[str, list[Candidate]] = {}
    for candidate in candidates(merged):
        by_backend.setdefault(candidate.backend, []).append(candidate)
    for backend in by_backend:
        if Path(backend).name != backend or not backend.isprintable():
            said = f"the backend '{backend}' cannot name a file; run it under another label"
            raise RecordError(said)
    paths = []
    for backend, found in by_backend.items():
        entry = merged.backends[backend]
        library = f"{entry.distinct('library')} {entry.distinct('version')}"
        path = folder / f"{backend}.yaml"
        text = HEAD.format(library=one_line(library), backend=backend) + _entries(found)
        write_whole(path, text)
        paths.append(path)
    return paths


def _entries(found: Iterable[Candidate]) -> str:
    return "\n".join(_entry(candidate) for candidate in found)


def _entry(candidate: Candidate) -> str:
    command = ["embcheck", "reproduce", candidate.cases[0], "-b", candidate.backend]
    lines = [
        f"# {one_line(candidate.message)}",
        f"# {one_line(shlex.join(command), 2000)}",
        "- cases:",
        *(f"  - {json.dumps(case)}" for case in candidate.cases),
        f"  happens: {candidate.happens}",
        "  cause:",
        '  reason: ""',
    ]
    return "\n".join(lines) + "\n"

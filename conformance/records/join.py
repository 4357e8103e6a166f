"""Join the runs of several folders in one file, and refuse what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from embcheck.conformance.records.claim import claimed
from embcheck.conformance.records.lines import Line, to_json_data
from embcheck.conformance.records.run import FILE_NAME, Run, read_runs
from embcheck.conformance.records.writer import PREVIOUS, refuse_other_than_file, whole_file

IDENTITY = ("adapter", "library", "version", "device")
MACHINE = ("cpu", "cores", "memory_gib")


class NotComparable(Exception):
    """Two runs cannot stand in one table; the message says why and what to do."""


def join(folders: Iterable[Path], out: Path) -> list[Run]:
    """Write the runs of all folders to `out`, the oldest first, and return them.

    Raises RecordError for a folder without runs, NotComparable for runs of different suites or
    versions of embcheck, for one label on two different libraries, and for timings that were
    taken on different machines. What `out` held before stays in `results.previous.jsonl`. Raises
    InUse where another process has `out`, and OSError where it cannot be written to.
    """
    found = [(run, str(folder)) for folder in folders for run in read_runs(folder)]
    found.sort(key=lambda pair: str(pair[0].header.started))
    _check_same(found, "conformance", "suite", "another suite of cases; run both with the same one")
    for purpose in ("conformance", "timing", "curves", "prices"):
        _check_same(found, purpose, "embcheck", "another embcheck; run both with the same version")
    _check_backends(found)
    _check_machines(found)
    runs = [run for run, _ in found]
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE_NAME
    refuse_other_than_file(path)
    with claimed(out), whole_file(path) as file:
        for run in runs:
            file.writelines(json.dumps(line) + "\n" for line in _lines(run))
        file.flush()
        if path.exists():
            path.replace(out / PREVIOUS)
    return runs


def _lines(run: Run) -> list[dict[str, Any]]:
    lines: list[Line] = [run.header, *run.clauses.values(), *run.cases.values()]
    lines += [*run.results, *run.rounds, *run.measurements, *run.prices]
    if run.footer is not None:
        lines.append(run.footer)
    return [to_json_data(line) for line in lines]


def _check_same(found: list[tuple[Run, str]], purpose: str, field: str, reason: str) -> None:
    chosen = [(run, folder) for run, folder in found if run.header.purpose == purpose]
    for run, folder in chosen[1:]:
        first, home = chosen[0]
        theirs, ours = getattr(first.header, field), getattr(run.header, field)
        if theirs != ours:
            raise NotComparable(f"{folder} ({ours}) is of {reason} as {home} ({theirs})")


def _check_backends(found: list[tuple[Run, str]]) -> None:
    seen: dict[str, tuple[Mapping[str, Any], str]] = {}
    for run, folder in found:
        for info in run.header.backends:
            if info.get("unavailable") or info.get("broken"):
                continue
            label = str(info.get("id"))
            other, home = seen.setdefault(label, (info, folder))
            if any(info.get(key) != other.get(key) for key in IDENTITY):
                raise NotComparable(
                    f"{label} is {_say(other)} in {home}, and {_say(info)} in {folder}: run one of "
                    f"them again under a label of its own, -b OTHER={label}:PYTHON"
                )


def _check_machines(found: list[tuple[Run, str]]) -> None:
    timings = [(run, folder) for run, folder in found if run.header.purpose == "timing"]
    for run, folder in timings[1:]:
        first, home = timings[0]
        for key in MACHINE:
            theirs, ours = first.header.environment.get(key), run.header.environment.get(key)
            if theirs != ours:
                raise NotComparable(
                    f"the timings in {home} and {folder} are of different machines "
                    f"({key}: {theirs}, {ours}); join conformance runs with one of them"
                )


def _say(info: Mapping[str, Any]) -> str:
    adapter = f" through {info['adapter']}" if info.get("adapter") else ""
    return f"{info.get('library')} {info.get('version')} on {info.get('device')}{adapter}"

"""Merge the runs of several folders into one file; refuse runs that cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from embcheck.conformance.records.claim import claimed
from embcheck.conformance.records.comparable import NotComparable, check_alike
from embcheck.conformance.records.lines import Line, to_json_data
from embcheck.conformance.records.run import FILE_NAME, Run, read_runs
from embcheck.conformance.records.writer import PREVIOUS, refuse_other_than_file, whole_file

IDENTITY = ("adapter", "library", "version", "device")
MACHINE = ("cpu", "cores", "memory_gib")


def join(folders: Iterable[Path], out: Path) -> list[Run]:
    """Write the runs of all folders to `out`, the oldest first, and return them.

    A partial run is written without its footer. An earlier file in `out` stays as
    `results.previous.jsonl`.

    Raise RecordError for a folder without runs. Raise NotComparable for runs of different suites or
    versions of embcheck, for a case or workload that is not the same in all runs, for one label on
    two different libraries, and for timings of different machines. Raise InUse if another process
    has `out`, and OSError if it cannot be written to.
    """
    found = [(run, str(folder)) for folder in folders for run in read_runs(folder)]
    found.sort(key=lambda pair: str(pair[0].header.started))
    # Runs of named specs have other digests. `check_alike` compares their cases with the others.
    shipped = [(run, folder) for run, folder in found if not run.header.settings.get("named_specs")]
    _check_same(shipped, "conformance", "suite", "another suite of cases")
    for purpose in ("conformance", "timing", "curves", "prices"):
        _check_same(found, purpose, "embcheck", "another embcheck")
    check_alike(run for run, _ in found)
    _check_backends(found)
    _check_machines(found)
    _check_workloads(found)
    runs = [run for run, _ in found]
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE_NAME
    refuse_other_than_file(path)
    with claimed(out), whole_file(path) as file:
        for line in chain.from_iterable(map(_lines, runs)):
            file.write(json.dumps(to_json_data(line)) + "\n")
        # Everything must be written before the earlier file is moved away.
        file.flush()
        if path.exists():
            path.replace(out / PREVIOUS)
    return runs


def _lines(run: Run) -> Iterator[Line]:
    yield run.header
    yield from run.clauses.values()
    yield from run.cases.values()
    yield from run.results
    yield from run.rounds
    yield from run.measurements
    yield from run.prices
    # With a footer, a partial run could be taken for a complete one.
    if run.footer is not None and not run.partial:
        yield run.footer


def _check_same(found: list[tuple[Run, str]], purpose: str, field: str, what: str) -> None:
    chosen = [(run, folder) for run, folder in found if run.header.purpose == purpose]
    for run, folder in chosen[1:]:
        first, home = chosen[0]
        theirs, ours = getattr(first.header, field), getattr(run.header, field)
        if theirs != ours:
            said = f"{folder} ({ours}) is of {what} than {home} ({theirs})"
            raise NotComparable(f"{said}; run both with the same one")


def _check_backends(found: list[tuple[Run, str]]) -> None:
    seen: dict[str, tuple[Mapping[str, Any], str]] = {}
    for run, folder in found:
        for info in run.header.backends:
            # Nothing ran, so there are no results that could be confused with another library's.
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
    # Outcomes of different machines can be compared, times cannot.
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


def _check_workloads(found: list[tuple[Run, str]]) -> None:
    """Refuse timings of different workloads under one name."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for run, folder in found:
        for name, digest in run.header.settings.get("workloads", {}).items():
            key = (str(run.header.settings.get("profile")), name)
            other, home = seen.setdefault(key, (digest, folder))
            if other != digest:
                raise NotComparable(
                    f"{name} is not the same workload in {home} and {folder}; time both again"
                )


def _say(info: Mapping[str, Any]) -> str:
    adapter = f" through {info['adapter']}" if info.get("adapter") else ""
    return f"{info.get('library')} {info.get('version')} on {info.get('device')}{adapter}"

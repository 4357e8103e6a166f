"""The records of a site: found, told apart, and left out where they cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from embcheck.conformance.records.lines import to_json_data
from embcheck.conformance.records.run import FILE_NAME, RecordError, Run, read_runs
from embcheck.reports.merge import Merged, merge
from embcheck.reports.untrusted import one_line

_HEADER_LIMIT = 2**20
"""The most characters of a header that are read to find the day of a run."""


@dataclass(frozen=True)
class SiteRecord:
    """The complete runs of a file; `id` is the day of the first one and a digest."""

    id: str
    merged: Merged


@dataclass(frozen=True)
class LeftOut:
    """A file or a run that is not on the site, and why; `is_harmless` if nothing is missing."""

    place: str
    why: str
    is_harmless: bool = False


def records(paths: Iterable[Path]) -> Iterator[SiteRecord | LeftOut]:
    """Read the records below some paths one by one, the oldest first, and say what is left out.

    A path is a file, a folder that a run wrote, or one with such folders below it. A run that is in
    several files counts once.
    """
    found: list[tuple[str, str, Path]] = []
    for path in paths:
        for file in _files(path):
            if isinstance(file, LeftOut):
                yield file
            else:
                found.append((_started(file), _digest(file), file))
    first: dict[str, Path] = {}
    seen: dict[str, Path] = {}
    # By digest and name too, so that the order does not depend on that of the paths.
    for started, digest, file in sorted(found, key=lambda entry: (*entry[:2], str(entry[2]))):
        if not digest:
            yield LeftOut(str(file), "cannot be read" if file.exists() else "there is no such file")
        elif digest in first:
            yield LeftOut(str(file), f"is a copy of {first[digest]}", is_harmless=True)
        else:
            first[digest] = file
            # Ten digits of the digest are enough to tell apart the runs of a day.
            yield from _read(file, f"{_day(started)}-{digest[:10]}", seen)


def _files(path: Path) -> Iterator[Path | LeftOut]:
    if not path.is_dir():
        yield path
        return
    own = path / FILE_NAME
    below = [own] if own.exists() else sorted(path.rglob(FILE_NAME))
    yield from below
    if not below:
        yield LeftOut(str(path), f"there is no {FILE_NAME} in it")


def _digest(file: Path) -> str:
    """Return a digest of a file; empty if it cannot be read."""
    try:
        # A pipe or a device may never end.
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _started(file: Path) -> str:
    """Return when the first run of a file was started; empty if its first line does not say."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            line: Any = json.loads(stream.readline(_HEADER_LIMIT))
        return str(line["started"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _day(started: str) -> str:
    # It becomes a part of a file name, and the record may come from a stranger.
    day = "".join(character for character in started[:10] if character in "0123456789-")
    return day or "undated"


def _read(file: Path, name: str, seen: dict[str, Path]) -> Iterator[SiteRecord | LeftOut]:
    """Read one file; leave out runs that are partial, or that were in another file."""
    try:
        runs = read_runs(file)
        kept = []
        for number, run in enumerate(runs, 1):
            place = str(file) if len(runs) == 1 else f"{file}, run {number}"
            key = _key(run)
            if run.partial:
                yield LeftOut(place, f"is partial: {one_line(run.doubts[0])}")
            elif key in seen:
                yield LeftOut(place, f"is in {seen[key]} too", is_harmless=True)
            else:
                seen[key] = file
                kept.append(run)
        if kept:
            yield SiteRecord(name, merge(kept))
    except RecordError as error:
        yield LeftOut(str(file), f"cannot be used: {error}")


def _key(run: Run) -> str:
    """Return a digest of a run's header and footer, which identifies the run."""
    ends = [to_json_data(run.header), to_json_data(run.footer) if run.footer else None]
    return sha256(json.dumps(ends, sort_keys=True).encode()).hexdigest()

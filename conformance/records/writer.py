"""Write `results.jsonl` line by line, so that an interrupted run leaves what it has."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from embcheck.conformance.records.claim import claimed
from embcheck.conformance.records.lines import (
    Line,
    Measurement,
    PriceLine,
    ResultLine,
    RoundsLine,
    RunFooter,
    RunHeader,
    to_json_data,
)
from embcheck.conformance.records.run import FILE_NAME, Run

PREVIOUS = "results.previous.jsonl"
# A new file only: never one, or a link, that another process has put there.
_MINE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
_RUN = b'{"type": "run"'
_LONGEST = 256 * 1024 * 1024
"""Bytes of a line that is kept of an earlier record."""


class CannotWrite(Exception):
    """A record cannot be written further; says why, how much is recorded, and where."""


class RunWriter:
    """Appends the lines of one run to a folder's `results.jsonl`.

    A run replaces an earlier one of the same purpose in the folder and keeps those of another, so
    that `run` and `bench` can share a folder. What is replaced stays in `results.previous.jsonl`.
    `lines` are those that an interrupted run is taken up with. Until all of these are written, an
    earlier record stays as it is. `run` is what is written, `has_others` whether other runs are
    kept.

    Raises InUse where another process has the folder, and OSError where it cannot be written to.
    """

    def __init__(self, folder: Path, header: RunHeader, lines: Iterable[Line] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE_NAME
        self.run = Run(header)
        self.counts: Counter[str] = Counter()
        self.recorded = 0
        self._started = time.perf_counter()
        self._claim = ExitStack()
        self._claim.enter_context(claimed(folder))
        # No file yet, as `close` must know if one of the next steps fails.
        self._file = -1
        self._size = 0
        try:
            kept, is_all = _other_runs(self.path, header.purpose)
            self.has_others = bool(kept)
            new = folder / f"{FILE_NAME}.part"
            new.unlink(missing_ok=True)
            self._file = os.open(new, _MINE, 0o666)
            try:
                text = kept + self._text([header, *lines])
                _write_all(self._file, text)
                self._size = len(text)
                # The new file lacks something of the earlier one, which is therefore kept.
                if not is_all:
                    self.path.replace(folder / PREVIOUS)
                new.replace(self.path)
                for line in lines:
                    self.run.add(line)
            except BaseException:
                with suppress(OSError):
                    new.unlink(missing_ok=True)
                raise
        except BaseException:
            self.close()
            raise

    def write(self, *lines: Line) -> None:
        """Write lines that belong together, all of them or none.

        Raises CannotWrite; what was written before is whole. Where the file was removed or moved
        away, it is put back, with all that was written before.
        """
        before = self.recorded
        text = self._text(lines)
        try:
            # The descriptor of a file that was removed can still be written to, in vain.
            if not _is_at(self._file, self.path):
                self._put_back()
            try:
                _write_all(self._file, text)
            except OSError:
                # What was written of these lines goes, so that the file ends with a whole line.
                os.ftruncate(self._file, self._size)
                raise
            self._size += len(text)
        except OSError as error:
            self.recorded = before
            raise CannotWrite(self._why(error)) from None
        for line in lines:
            self.run.add(line)

    def finish(self, exit_code: int) -> None:
        """Write the footer and close the file; raises CannotWrite."""
        seconds = time.perf_counter() - self._started
        self.write(RunFooter(now(), round(seconds, 3), exit_code, dict(self.counts)))
        self.close()

    def close(self) -> None:
        """Close the file; without a footer before, the run is partial."""
        if self._file >= 0:
            descriptor, self._file = self._file, -1
            with suppress(OSError):  # Each write was checked.
                os.close(descriptor)
        self._claim.close()

    def _text(self, lines: Iterable[Line]) -> bytes:
        """Return lines as they stand in the file, and count them."""
        text = []
        for line in lines:
            if isinstance(line, ResultLine):
                self.counts[line.outcome] += 1
            if isinstance(line, Measurement | PriceLine):
                self.counts[line.verdict] += 1
            self.recorded += isinstance(line, ResultLine | RoundsLine | PriceLine)
            # Readers refuse NaN, which JSON does not have; so a fault shows here, where it is made.
            text.append(json.dumps(to_json_data(line), allow_nan=False))
        return "".join(f"{line}\n" for line in text).encode()

    def _put_back(self) -> None:
        """Write what there is to a new file in place of the one that is gone; raises OSError."""
        text = _read_all(self._file)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, _MINE, 0o666)
        except FileExistsError as error:
            raise OSError(error.errno, "another file has taken its place") from None
        try:
            _write_all(descriptor, text)
        except OSError:
            os.close(descriptor)
            self.path.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file = descriptor

    def _why(self, error: OSError) -> str:
        """Say why nothing more can be written, and where the earlier results are."""
        what = f"cannot write {self.path}: {error.strerror}"
        if not self.recorded:
            return f"{what}; nothing is recorded"
        count = f"{self.recorded} result{'s' * (self.recorded > 1)}"
        try:
            place = self.path if _is_at(self._file, self.path) else self._save_elsewhere()
        except OSError as other:
            return f"{what}; {count} are lost, since they cannot be saved elsewhere: {other}"
        return f"{what}; {count} so far are recorded in {place}"

    def _save_elsewhere(self) -> Path:
        descriptor, name = tempfile.mkstemp(prefix="embcheck-results-", suffix=".jsonl")
        try:
            _write_all(descriptor, _read_all(self._file))
        finally:
            os.close(descriptor)
        return Path(name)


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_whole(path: Path, text: str) -> None:
    """Write a file in a folder that is made if need be; an earlier one stays until all is written.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(text)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """Give a new file that takes its place once it is written; an earlier one stays until then.

    What is no file, such as /dev/stdout, is written to as it is. Raises OSError.
    """
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        return
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        with unfinished.open("x", encoding="utf-8", newline="\n") as file:
            yield file
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def refuse_other_than_file(path: Path) -> None:
    """Raise OSError for what is there and is no file: a pipe or a device may have no end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, f"{path.name} is not a regular file; remove it", str(path))


def _write_all(descriptor: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        # A write may take less than it is given.
        rest = rest[os.write(descriptor, rest) :]


def _read_all(descriptor: int) -> bytes:
    text = bytearray()
    while part := os.pread(descriptor, 1 << 20, len(text)):
        text += part
    return bytes(text)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _parsed(line: bytes) -> Any:
    """Return what a line holds; None if it holds nothing that can be read."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # No UTF-8 and a number of too many digits are both.
        return None


def _other_runs(path: Path, purpose: str) -> tuple[bytes, bool]:
    """Return the lines of the runs in a file that have another purpose, and if those are all.

    Of a run that is cut off or damaged, the lines before that. Raises OSError for what is no file.
    """
    refuse_other_than_file(path)
    if not path.exists():
        # A link to nothing does not exist, but is in the way: it is moved aside as a file is.
        return b"", not path.is_symlink()
    kept: list[bytes] = []
    keeping, is_all = False, True
    with path.open("rb") as lines:
        # A file without line ends must not be read into memory as one line.
        for line in iter(lambda: lines.readline(_LONGEST), b""):
            if line.startswith(_RUN):
                told = _parsed(line)
                # A header that cannot be read may be of any purpose; it is not kept.
                keeping = isinstance(told, dict) and told.get("purpose") not in (purpose, None)
            elif keeping:
                # What follows a damaged line may belong to another run.
                keeping = line.endswith(b"\n") and isinstance(_parsed(line), dict)
            if keeping and line.endswith(b"\n"):
                kept.append(line)
            else:
                is_all = False
    return b"".join(kept), is_all

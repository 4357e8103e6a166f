"""Write `results.jsonl` line by line, so that an interrupted run keeps its results."""

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
# O_EXCL: never open a file or a link that another process has put there.
_MINE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
_RUN = b'{"type": "run"'
_LONGEST = 256 * 1024 * 1024
"""The most bytes of a line that is kept from an earlier record."""


class CannotWrite(Exception):
    """No more lines can be written; the message says why, how much is recorded, and where."""


class RunWriter:
    """Appends the lines of one run to a folder's `results.jsonl`.

    A run replaces an earlier run of the same purpose in the folder, and keeps runs of other
    purposes, so that `run` and `bench` can share a folder. If a run is replaced, the earlier file
    stays as `results.previous.jsonl`. `lines` are the lines of an interrupted run that is resumed.
    Until all of them are written, the earlier file stays as it is. `run` has what is written so
    far; `has_others` says whether other runs are kept.

    Raise InUse if another process has the folder, and OSError if it cannot be written to.
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
        # Not open yet: `close` must know that if one of the next steps fails.
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
                # The new file lacks some lines of the earlier one, so the earlier one is kept.
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
        """Write lines that belong together: all of them, or none.

        If the file was removed or moved away, make it again with everything written before. Raise
        CannotWrite; the lines written before are then still intact.
        """
        before = self.recorded
        text = self._text(lines)
        try:
            # Checked, since writing to the descriptor of a removed file would raise no error.
            if not _is_at(self._file, self.path):
                self._put_back()
            try:
                _write_all(self._file, text)
            except OSError:
                # Remove a part of these lines, so that the file ends with a whole line.
                os.ftruncate(self._file, self._size)
                raise
            self._size += len(text)
        except OSError as error:
            self.recorded = before
            raise CannotWrite(self._why(error)) from None
        for line in lines:
            self.run.add(line)

    def finish(self, exit_code: int) -> None:
        """Write the footer and close the file. Raise CannotWrite."""
        seconds = time.perf_counter() - self._started
        self.write(RunFooter(now(), round(seconds, 3), exit_code, dict(self.counts)))
        self.close()

    def close(self) -> None:
        """Close the file. Without a footer, the run is partial."""
        if self._file >= 0:
            descriptor, self._file = self._file, -1
            with suppress(OSError):  # Each write was checked.
                os.close(descriptor)
        self._claim.close()

    def _text(self, lines: Iterable[Line]) -> bytes:
        """Return lines as the bytes to be written, and count them."""
        text = []
        for line in lines:
            if isinstance(line, ResultLine):
                self.counts[line.outcome] += 1
            if isinstance(line, Measurement | PriceLine):
                self.counts[line.verdict] += 1
            self.recorded += isinstance(line, ResultLine | RoundsLine | PriceLine)
            # JSON has no NaN, and readers refuse it. So refuse it here, where the fault is.
            text.append(json.dumps(to_json_data(line), allow_nan=False))
        return "".join(f"{line}\n" for line in text).encode()

    def _put_back(self) -> None:
        """Copy the lines written so far to a new file in the place of the removed one."""
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
        """Return a message: why nothing more can be written, and where earlier results are."""
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
    """Return the current time in UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically, and make its folder if need be. Raise OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(text)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """Open a new file that replaces the one at `path` only once it is complete.

    If `path` is not a regular file, such as /dev/stdout, write to it directly. Raise OSError.
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
    """Raise OSError if the path exists and is not a regular file: a pipe may have no end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, f"{path.name} is not a regular file; remove it", str(path))


def _write_all(descriptor: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        # `os.write` may write only a part.
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
    """Return a line's JSON data; None if it cannot be read."""
    try:
        return json.loads(line)
    # ValueError: also for text that is not UTF-8, and for a number of too many digits.
    except (ValueError, RecursionError):
        return None


def _other_runs(path: Path, purpose: str) -> tuple[bytes, bool]:
    """Return the lines of a file's runs of other purposes, and whether these are all its lines.

    Of a run that is damaged, only the lines before the damage are returned. Raise OSError if the
    path is not a regular file.
    """
    refuse_other_than_file(path)
    if not path.exists():
        # A dangling link does not exist, but is in the way, so it is moved aside like a file.
        return b"", not path.is_symlink()
    kept: list[bytes] = []
    keeping, is_all = False, True
    with path.open("rb") as lines:
        # A file without line ends must not be read into memory as one line.
        for line in iter(lambda: lines.readline(_LONGEST), b""):
            if line.startswith(_RUN):
                told = _parsed(line)
                # A header that cannot be read is not kept, since its purpose is unknown.
                keeping = isinstance(told, dict) and told.get("purpose") not in (purpose, None)
            elif keeping:
                # Not after a damaged line: what follows may belong to another run.
                keeping = line.endswith(b"\n") and isinstance(_parsed(line), dict)
            if keeping and line.endswith(b"\n"):
                kept.append(line)
            else:
                is_all = False
    return b"".join(kept), is_all

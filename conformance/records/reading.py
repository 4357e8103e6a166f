"""Read a results file line by line, and validate each line by the published schema.

Records may come from strangers, so any file is either read or refused with the place of its fault.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

import jsonschema_rs

from embcheck.conformance.records.lines import (
    FORMAT_VERSION,
    LINE_TYPES,
    Line,
    ResultLine,
    RoundsLine,
)
from embcheck.conformance.records.plain import from_plain

LINE_LIMIT = 16 * 2**20
"""The most bytes of a line; the longest line that a run writes has a few ten thousand."""
DEPTH_LIMIT = 100
"""The deepest nesting of lists and objects; an array has at most 64 dimensions."""
DIGITS_LIMIT = 20
"""The most characters of an integer: enough for 64 bits and a sign."""
SAID_LIMIT = 1000
"""The most characters of an error message."""
REMEDY = "restore the file, or run again"
_BOM = b"\xef\xbb\xbf"
_OLDER_CATEGORIES = {"upstream-bug": "bug", "adapter": "composition"}
"""Older names of the categories of deviations, from before they followed from a cause."""
_SHARED = ("case", "level", "backend", "outcome", "kind", "message")
"""Texts that many results repeat; equal ones share one copy in memory."""
_REPEATED = (b'{"type": "case"', b'{"type": "clause"')
"""The first bytes of lines that the runs of one file may repeat."""


class RecordError(Exception):
    """A results file cannot be read; the message says where and what to do.

    The message is cut to a limit and safe to print, whatever it quotes from the file.
    """

    def __init__(self, said: str) -> None:
        said = said if len(said) <= SAID_LIMIT else f"{said[:SAID_LIMIT]}..."
        super().__init__(said if said.isprintable() else ascii(said)[1:-1])


class _NotJson(ValueError):
    """A line is not JSON, or is JSON that no run writes; the message says what is wrong."""


def read_lines(file: Path) -> Iterator[tuple[int, Line | None]]:
    """Yield the lines of a file with their numbers; None for a last line that was cut off.

    Raise OSError for a file that cannot be read, and RecordError for a path that is not a regular
    file, or a line that no run writes.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        raise RecordError(f"{file}: is no file; name a folder that a run wrote")
    with file.open("rb") as source:
        yield from _lines(source, file)


def _lines(source: BinaryIO, file: Path) -> Iterator[tuple[int, Line | None]]:
    repeated: dict[bytes, Line] = {}
    texts: dict[str, str] = {}
    number = 0
    # One byte beyond the limit is enough to see that a line is too long.
    while raw := source.readline(LINE_LIMIT + 1):
        number += 1
        key = sha256(raw).digest() if raw.startswith(_REPEATED) else b""
        if key in repeated:
            yield number, repeated[key]
            continue
        if raw.isspace():
            continue
        try:
            data = _parsed(raw)
        except _NotJson as error:
            # An interrupted run leaves a last line without a line end. Anything else is damage.
            if raw.endswith(b"\n") or len(raw) > LINE_LIMIT:
                raise RecordError(f"{file}:{number}: {error}; {REMEDY}") from None
            yield number, None
            return
        line = _line(data, f"{file}:{number}", texts)
        if key:
            repeated[key] = line
        yield number, line


def _parsed(raw: bytes) -> Any:
    if len(raw) > LINE_LIMIT:
        raise _NotJson(f"longer than {LINE_LIMIT // 2**20} MiB")
    if raw.startswith(_BOM):
        raise _NotJson("begins with a byte-order mark")
    try:
        data = _DECODER.decode(raw.decode())
    except UnicodeDecodeError:
        raise _NotJson("not UTF-8") from None
    except json.JSONDecodeError:
        raise _NotJson("not JSON") from None
    except RecursionError:
        raise _NotJson(_TOO_DEEP) from None
    # Counting is cheap, and a text with few brackets cannot be nested deeply.
    if raw.count(b"[") + raw.count(b"{") > DEPTH_LIMIT:
        _check_depth(data)
    # A lone surrogate can only come from an escape, since UTF-8 cannot encode it.
    return _encodable(data) if b"\\ud" in raw.lower() else data


_TOO_DEEP = f"nested more than {DEPTH_LIMIT} deep"


def _check_depth(data: Any) -> None:
    # Level by level, since deep nesting would exhaust a recursion.
    level = [data]
    for _ in range(DEPTH_LIMIT + 1):
        level = [
            entry
            for owner in level
            if isinstance(owner, dict | list)
            for entry in (owner.values() if isinstance(owner, dict) else owner)
        ]
        if not level:
            return
    raise _NotJson(_TOO_DEEP)


def _encodable(data: Any) -> Any:
    """Replace lone surrogates by their escapes: a message may have them, and no output can."""
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, list):
        return [_encodable(entry) for entry in data]
    if isinstance(data, dict):
        return {_encodable(key): _encodable(entry) for key, entry in data.items()}
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _NotJson("a key stands twice in an object")
    return made


def _whole(text: str) -> int:
    if len(text) > DIGITS_LIMIT:
        raise _NotJson(f"a whole number of {len(text):,} characters")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NotJson(f"{text[:DIGITS_LIMIT]} is no number that JSON can hold")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=_number, parse_constant=_number
)


def _line(data: Any, place: str, texts: dict[str, str]) -> Line:
    """Make a line from JSON data. Raise RecordError for what the schema does not allow."""
    name = data.get("type") if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in LINE_TYPES:
        raise RecordError(f"{place}: not a line of a results file; {REMEDY}")
    # Before validation, whose message would not say that a newer embcheck is needed.
    version = data.get("format")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise RecordError(f"{place}: written by a newer embcheck; upgrade to read it")
    kind = LINE_TYPES[name]
    if kind is ResultLine:
        # Before validation, since the schema has only the newer names.
        _rename_category(data)
    validator = _validator(name)
    if not validator.is_valid(data):
        raise RecordError(f"{place}: {_complaint(validator, data)}; {REMEDY}")
    if kind is ResultLine:
        share = texts.setdefault
        for key in _SHARED:
            if text := data[key]:
                data[key] = share(text, text)
        data["clauses"] = [share(text, text) for text in data["clauses"]]
    line: Line = from_plain(kind, data)
    if isinstance(line, RoundsLine) and not _is_whole(line):
        raise RecordError(f"{place}: a round lacks times of an arm; {REMEDY}")
    return line


def _rename_category(data: dict[str, Any]) -> None:
    deviation = data.get("deviation")
    if isinstance(deviation, dict) and "cause" not in deviation:
        older = deviation.get("category")
        newer = _OLDER_CATEGORIES.get(older, older) if isinstance(older, str) else older
        data["deviation"] = {**deviation, "category": newer}


@lru_cache
def _validator(name: str) -> jsonschema_rs.Validator:
    """Return the validator for a type of line; fields with a default may be missing."""
    schema = json.loads(files("embcheck.specs").joinpath("results.schema.json").read_text("utf-8"))
    kind = LINE_TYPES[name]
    # The published schema requires every field. Older records lack those added later.
    schema["$defs"][kind.__name__]["required"] = [
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    ]
    return jsonschema_rs.validator_for(
        {"$defs": schema["$defs"], "$ref": f"#/$defs/{kind.__name__}"}
    )


def _complaint(validator: jsonschema_rs.Validator, data: Mapping[str, Any]) -> str:
    # The first error is enough, since the whole line is refused.
    error = next(iter(validator.iter_errors(data)))
    where = ".".join(map(str, error.instance_path))[:80] or "the line"
    return f"{where}: {error.message[:200]}"


def _is_whole(line: RoundsLine) -> bool:
    """Whether each round has two blocks of every arm, each with 3 to 7 numbers and a time > 0."""
    # JSON Schema cannot compare the blocks with the arms, and figures divide by these numbers.
    return all(arm.calls_per_block > 0 for arm in line.arms.values()) and all(
        len(pair) == 2 and all(3 <= len(block) <= 7 and block[0] > 0 for block in pair)
        for round_ in line.rounds
        for pair in (round_["blocks"].get(key, ()) for key in line.arms)
    )

"""The lines of a results file, read one by one and held to the published schema.

Records come from strangers: any bytes are lines, or refused with their place.
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
"""Bytes of a line; the longest that a run writes has a few ten thousand."""
DEPTH_LIMIT = 100
"""Lists and objects in one another; an array has 64 dimensions at most."""
DIGITS_LIMIT = 20
"""Characters of a whole number: those of 64 bits and a sign."""
SAID_LIMIT = 1000
"""Characters of an error."""
REMEDY = "restore the file, or run again"
_BOM = b"\xef\xbb\xbf"
_OLDER_CATEGORIES = {"upstream-bug": "bug", "adapter": "composition"}
"""What the categories of deviations were called before they followed from a cause."""
_SHARED = ("case", "level", "backend", "outcome", "kind", "message")
"""Texts of results that repeat, of which one copy is kept."""
_REPEATED = (b'{"type": "case"', b'{"type": "clause"')
"""How lines begin that a file of several runs repeats."""


class RecordError(Exception):
    """A results file cannot be read; says where and what to do.

    What it quotes of the file is cut, and safe to print.
    """

    def __init__(self, said: str) -> None:
        said = said if len(said) <= SAID_LIMIT else f"{said[:SAID_LIMIT]}..."
        super().__init__(said if said.isprintable() else ascii(said)[1:-1])


class _NotJson(ValueError):
    """A text is not JSON, or is JSON that no run writes; the message says what is wrong."""


def read_lines(file: Path) -> Iterator[tuple[int, Line | None]]:
    """Give the lines of a file with their numbers, None for a last one that was cut off.

    Raises OSError for a file that cannot be read, RecordError for anything but a regular file, and
    for a line that no run writes.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        raise RecordError(f"{file}: is no file; name a folder that a run wrote")
    with file.open("rb") as source:
        yield from _lines(source, file)


def _lines(source: BinaryIO, file: Path) -> Iterator[tuple[int, Line | None]]:
    repeated: dict[bytes, Line] = {}
    texts: dict[str, str] = {}
    number = 0
    # One byte more shows that a line is too long, without reading all of it.
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
            # An interrupted run leaves a last line without its end. Anything else is damage.
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
    # Cheap to count: a text with few brackets cannot be deep.
    if raw.count(b"[") + raw.count(b"{") > DEPTH_LIMIT:
        _check_depth(data)
    # Only escapes can spell a lone surrogate, for which UTF-8 has no bytes.
    return _encodable(data) if b"\\ud" in raw.lower() else data


_TOO_DEEP = f"nested more than {DEPTH_LIMIT} deep"


def _check_depth(data: Any) -> None:
    # Level by level: a recursion would itself be exhausted by what is deep.
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
    """Spell out lone surrogates, which a backend may say and no output can encode."""
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
    """Make a line of JSON data; raises RecordError for what the schema does not allow."""
    name = data.get("type") if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in LINE_TYPES:
        raise RecordError(f"{place}: not a line of a results file; {REMEDY}")
    # Before the schema, whose complaint would not say that a newer embcheck is needed.
    version = data.get("format")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise RecordError(f"{place}: written by a newer embcheck; upgrade to read it")
    kind = LINE_TYPES[name]
    if kind is ResultLine:
        # Before the schema, which knows the newer names only.
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
    """Return the validator of a type of line; older ones may lack what has a default."""
    schema = json.loads(files("embcheck.specs").joinpath("results.schema.json").read_text("utf-8"))
    kind = LINE_TYPES[name]
    # The published schema is that of what is written now, with every field.
    schema["$defs"][kind.__name__]["required"] = [
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    ]
    return jsonschema_rs.validator_for(
        {"$defs": schema["$defs"], "$ref": f"#/$defs/{kind.__name__}"}
    )


def _complaint(validator: jsonschema_rs.Validator, data: Mapping[str, Any]) -> str:
    # The first one will do: a line that does not fit is refused as a whole.
    error = next(iter(validator.iter_errors(data)))
    where = ".".join(map(str, error.instance_path))[:80] or "the line"
    return f"{where}: {error.message[:200]}"


def _is_whole(line: RoundsLine) -> bool:
    """Whether each round has two blocks of every arm, with at least three numbers, and time."""
    # JSON Schema cannot hold the blocks to the arms; the figures divide by these numbers.
    return all(arm.calls_per_block > 0 for arm in line.arms.values()) and all(
        len(pair) == 2 and all(3 <= len(block) <= 7 and block[0] > 0 for block in pair)
        for round_ in line.rounds
        for pair in (round_["blocks"].get(key, ()) for key in line.arms)
    )

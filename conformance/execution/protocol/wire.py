"""The channel between harness and worker: a JSON header, then raw array bytes. No pickle.

A frame is 8 bytes of length, that many bytes of JSON, and the bytes of the arrays that the
JSON lists under `arrays`, in order. What the harness sends arrives in the memory layout that it
has here; what a backend answers arrives in C order, for its values are what is judged.

Requests are numbered, and a reply has the number of its request. Behind a reply stands that number
once more, written when the worker is through with the request: two replies to one request are told
from one.

A worker imports this before its backend. So what is taken from other modules is taken once, at the
top, and stays what it was when the backend puts something else in its place there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec, module_from_spec
from struct import Struct
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from embcheck.conformance.suite.arrays import DTYPES
from embcheck.conformance.suite.layouts import MemoryLayout, is_plain, lay, memory_of, room

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_ARRAY_BYTES = 4 * 1024**3
"""Of all arrays in what comes from a backend. A table that is handed to one may be larger."""

Frame = tuple[dict[str, Any], dict[str, np.ndarray]]

_SHOWN = 40
_MOST_AXES = 64
"""NumPy has no arrays of more."""
_NUMBER = Struct("<q")
_BYTES = np.dtype(np.uint8)
_DTYPES = {name: np.dtype(name) for name in DTYPES}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
"""NumPy takes longer to name a dtype than it takes to send a small array."""


def _module_of_its_own(name: str) -> ModuleType:
    """Import a module once more, as a copy that a backend which patches the other cannot reach."""
    spec = find_spec(name)
    assert spec is not None  # noqa: S101  (of the standard library)
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Broken(Exception):
    """The other side sent something that is no frame; the message says what."""


class Closed(Broken):
    """The channel was closed, before a frame or within one."""


class Stale(Broken):
    """What came belongs to an earlier request."""


class Died(Stale):
    """The worker ended after it had replied to the last request."""


def _refuse(word: str) -> None:
    raise Broken(f"{word} is no number that JSON knows")


_encoder = _module_of_its_own("json.encoder")
_decoder = _module_of_its_own("json.decoder")
_encode_any = _encoder.JSONEncoder().encode
_encode_strictly = _encoder.JSONEncoder(allow_nan=False).encode
_decode_any = _decoder.JSONDecoder().decode
_decode_strictly = _decoder.JSONDecoder(parse_constant=_refuse).decode


class Readable(Protocol):
    """Where frames come from."""

    def read(self, count: int, /) -> bytes:
        """Return some bytes, fewer at the end."""

    def readinto(self, view: memoryview, /) -> int | None:
        """Fill a view and return how many bytes came."""


class Writable(Protocol):
    """Where frames go."""

    def write(self, data: bytes | memoryview, /) -> Any:
        """Take in some bytes."""

    def flush(self) -> None:
        """Send what was taken in."""


def send(
    stream: Writable,
    header: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    with_layouts: bool = False,
) -> None:
    """Write one frame; with layouts, an array tells how it lies in memory."""
    write(stream, head_of(header, arrays, with_layouts=with_layouts), arrays)
    stream.flush()


def head_of(
    header: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    with_layouts: bool = False,
) -> bytes:
    """Return a frame's bytes but for those of the arrays.

    Raises ValueError, TypeError or RecursionError for a header that is no JSON. What goes to the
    harness, without layouts, may have no NaN in its header, and no more bytes than it takes.
    """
    # Only the harness's arrays need their layout: a library may treat strided input otherwise.
    described = [
        {"name": name, "dtype": _name_of(array.dtype), "shape": array.shape}
        | ({"memory": asdict(memory_of(array))} if with_layouts and not is_plain(array) else {})
        for name, array in arrays.items()
    ]
    encode = _encode_any if with_layouts else _encode_strictly
    text: bytes = encode({**header, "arrays": described}).encode()
    if not with_layouts:  # Refused here, it can still be told which field is at fault.
        size = sum(array.nbytes for array in arrays.values())
        if size > MAX_ARRAY_BYTES or len(text) > MAX_HEADER_BYTES:
            raise ValueError(f"an answer of {max(size, len(text)):,} bytes, which is too large")
    return _NUMBER.pack(len(text)) + text


def _name_of(dtype: np.dtype[Any]) -> str:
    return _NAMES.get(dtype) or dtype.name


def write(stream: Writable, head: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a frame of which the head is made, and flush nothing."""
    stream.write(head)
    for array in arrays.values():
        native = array.dtype.newbyteorder("=")
        stream.write(array.astype(native, "C", copy=False).reshape(-1).view(_BYTES).data)


def end_of(number: int) -> bytes:
    """Return what is written behind the reply to a request."""
    return _NUMBER.pack(number)


def receive(
    stream: Readable,
    most: int = MAX_ARRAY_BYTES,
    *,
    with_layouts: bool = False,
    number: int | None = None,
) -> Frame:
    """Read one frame; raises Broken if there is none, or if the arrays have more than `most` bytes.

    What comes from a backend is data only: every array has one of the known dtypes, and no layout.
    With a `number`, the frame must have it, and an end; raises Stale for a smaller number.
    """
    (length,) = _NUMBER.unpack(_exactly(stream, _NUMBER.size))
    if not 0 < length <= MAX_HEADER_BYTES:
        raise Broken(f"a header of {length} bytes")
    # Else a byte too many would have this wait for a header that is 256 times as long.
    if (first := _exactly(stream, 1)) != b"{":
        raise Broken(f"a header that begins with {first!r}")
    header, entries = _parsed(b"{" + _exactly(stream, length - 1), strictly=not with_layouts)
    # Before the arrays: those of another request's reply need not be read.
    if number is not None:
        _check_number(header.pop("number", None), number)
    arrays: dict[str, np.ndarray] = {}
    for entry in entries:
        name, array = _read_array(stream, entry, most)
        if name in arrays:
            raise Broken(f"two arrays are called {name[:_SHOWN]}")
        most -= array.nbytes
        arrays[name] = lay(array, _memory(entry)) if with_layouts and "memory" in entry else array
    if number is not None:
        _check_end(_exactly(stream, _NUMBER.size), number)
    return header, arrays


def _parsed(text: bytes, *, strictly: bool) -> tuple[dict[str, Any], list[Any]]:
    """Return a header's JSON object, and what it lists as arrays."""
    try:
        header = (_decode_strictly if strictly else _decode_any)(text.decode())
    except ValueError as error:
        raise Broken(f"a header that is no JSON: {error}") from None
    except RecursionError:
        raise Broken("a header that nests too deeply") from None
    if type(header) is not dict or type(header.get("arrays")) is not list:
        raise Broken("a header that is no object with a list of arrays")
    return header, header.pop("arrays")


def _check_number(got: Any, asked: int) -> None:
    if type(got) is not int:
        raise Broken(f"the reply has no number, number {asked} was asked")
    if got != asked:
        said = f"the reply is number {_shown(got)}, number {asked} was asked"
        raise Stale(said) if 0 <= got < asked else Broken(said)


def _check_end(end: bytes, number: int) -> None:
    if end != end_of(number):
        raise Broken(f"behind reply number {number} stands more than its end: a second reply?")


def _exactly(stream: Readable, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        where = f"in a frame, {len(data)} bytes before {count}" if data else "before a frame"
        raise Closed(f"the channel was closed {where}")
    return data


def _read_array(stream: Readable, entry: Any, most: int) -> tuple[str, np.ndarray]:
    """Read an array as its entry in the header describes it."""
    if type(entry) is not dict or type(entry.get("name")) is not str:
        raise Broken("an array without a name")
    name, shape = entry["name"].encode("utf-8", "replace").decode(), _shape(entry.get("shape"))
    if entry.get("dtype") not in DTYPES:
        raise Broken(f"an array of unknown dtype: {_shown(entry.get('dtype'))}")
    dtype = _DTYPES[entry["dtype"]]
    count = math.prod(shape)
    if count * dtype.itemsize > most:
        raise Broken(f"an array of {_shown(count)} elements")
    try:  # A shape with a 0 in it passes the limit above, however large its other sizes are.
        data = room(shape, dtype)
        view = data.reshape(-1).view(_BYTES)
    except (ValueError, OverflowError, MemoryError) as error:
        raise Broken(f"an array of no possible shape: {error}") from None
    if (stream.readinto(view.data) or 0) < view.size:
        raise Closed("the channel was closed in an array")
    return name, data


def _memory(entry: Mapping[str, Any]) -> MemoryLayout:
    told = entry["memory"]
    return MemoryLayout(tuple(told["strides"]), told["before"], told["after"], told["kind"])


def _shape(told: Any) -> list[int]:
    if type(told) is not list or len(told) > _MOST_AXES:
        raise Broken(f"not a shape: {_shown(told)}")
    for size in told:
        if type(size) is not int or not 0 <= size <= sys.maxsize:
            raise Broken(f"not a shape: one with {_shown(size)}")
    return told


def _shown(value: Any) -> str:
    """Show a value that may be anything: a short one itself, of others the type."""
    if type(value) in (str, int, float, bool):
        return str(value)[:_SHOWN]
    return type(value).__name__

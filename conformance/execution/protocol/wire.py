"""The channel between harness and worker: a JSON header, then raw array bytes. No pickle.

A frame is 8 bytes of length, that many bytes of JSON, and the bytes of the arrays that the JSON
lists under `arrays`, in order. Arrays from the harness keep their memory layout. Arrays from a
backend arrive in C order, since only their values are judged.

Requests are numbered, and a reply has the number of its request. The number follows the reply once
more, written when the worker is done with the request. So a second reply to the same request is
noticed.

A worker imports this module before its backend. Names of other modules are bound once, at the top,
so that a backend that patches those modules changes nothing here.
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
"""The most bytes of all arrays in a backend's reply. A table that is sent to a backend may be
larger."""

Frame = tuple[dict[str, Any], dict[str, np.ndarray]]

_SHOWN = 40
_MOST_AXES = 64
"""NumPy's arrays have no more."""
_NUMBER = Struct("<q")
_BYTES = np.dtype(np.uint8)
_DTYPES = {name: np.dtype(name) for name in DTYPES}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
"""The names are kept, since NumPy takes longer to name a dtype than sending a small array takes."""


def _module_of_its_own(name: str) -> ModuleType:
    """Import a private copy of a module, which a backend's patches do not reach."""
    spec = find_spec(name)
    assert spec is not None  # noqa: S101  (of the standard library)
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Broken(Exception):
    """What the other side sent is invalid; the message says how."""


class Closed(Broken):
    """The channel was closed, before a frame or within one."""


class Stale(Broken):
    """What was received belongs to an earlier request."""


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
    """A stream that frames are read from."""

    def read(self, count: int, /) -> bytes:
        """Return some bytes, fewer at the end."""

    def readinto(self, view: memoryview, /) -> int | None:
        """Fill a view and return how many bytes came."""


class Writable(Protocol):
    """A stream that frames are written to."""

    def write(self, data: bytes | memoryview, /) -> Any:
        """Buffer some bytes."""

    def flush(self) -> None:
        """Send all buffered bytes."""


def send(
    stream: Writable,
    header: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    with_layouts: bool = False,
) -> None:
    """Write one frame; with layouts, the header tells how each array lies in memory."""
    write(stream, head_of(header, arrays, with_layouts=with_layouts), arrays)
    stream.flush()


def head_of(
    header: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    with_layouts: bool = False,
) -> bytes:
    """Return the bytes of a frame before those of its arrays.

    Raises ValueError, TypeError or RecursionError for a header that is not JSON. Frames without
    layouts go to the harness: they raise ValueError also for NaN in the header, and if they are too
    large for the harness.
    """
    # Only the harness's arrays need it: a library may treat strided input differently.
    described = [
        {"name": name, "dtype": _name_of(array.dtype), "shape": array.shape}
        | ({"memory": asdict(memory_of(array))} if with_layouts and not is_plain(array) else {})
        for name, array in arrays.items()
    ]
    encode = _encode_any if with_layouts else _encode_strictly
    text: bytes = encode({**header, "arrays": described}).encode()
    if not with_layouts:  # Refused here, where the field at fault can still be named.
        size = sum(array.nbytes for array in arrays.values())
        if size > MAX_ARRAY_BYTES or len(text) > MAX_HEADER_BYTES:
            raise ValueError(f"an answer of {max(size, len(text)):,} bytes, which is too large")
    return _NUMBER.pack(len(text)) + text


def _name_of(dtype: np.dtype[Any]) -> str:
    return _NAMES.get(dtype) or dtype.name


def write(stream: Writable, head: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a frame, given its head and its arrays; do not flush."""
    stream.write(head)
    for array in arrays.values():
        native = array.dtype.newbyteorder("=")
        stream.write(array.astype(native, "C", copy=False).reshape(-1).view(_BYTES).data)


def end_of(number: int) -> bytes:
    """Return the bytes that follow the reply to a request."""
    return _NUMBER.pack(number)


def receive(
    stream: Readable,
    most: int = MAX_ARRAY_BYTES,
    *,
    with_layouts: bool = False,
    number: int | None = None,
) -> Frame:
    """Read one frame; raises Broken if it is invalid or its arrays have more than `most` bytes.

    A backend's frame is data only: each array has one of the known dtypes, and no layout. With a
    `number`, the frame must have that number, and the end of a reply; raises Stale for a smaller
    number.
    """
    (length,) = _NUMBER.unpack(_exactly(stream, _NUMBER.size))
    if not 0 < length <= MAX_HEADER_BYTES:
        raise Broken(f"a header of {length} bytes")
    # Otherwise, after one extra byte, this would wait for a header 256 times as long.
    if (first := _exactly(stream, 1)) != b"{":
        raise Broken(f"a header that begins with {first!r}")
    header, entries = _parsed(b"{" + _exactly(stream, length - 1), strictly=not with_layouts)
    # Before the arrays: those of a reply to another request need not be read.
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
    """Return a header's JSON object, and its list of arrays."""
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
    """Return a value that may be anything as text: a simple one itself, else its type."""
    if type(value) in (str, int, float, bool):
        return str(value)[:_SHOWN]
    return type(value).__name__

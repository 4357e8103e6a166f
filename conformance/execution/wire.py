"""The channel between harness and worker: a JSON header, then raw array bytes. No pickle.

A frame is 8 bytes of length, that many bytes of JSON, and the bytes of the arrays that the
JSON lists under `arrays`, in order. What the harness sends arrives in the memory layout that it
has here; what a backend answers arrives in C order, for its values are what is judged.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from embcheck.conformance.suite.arrays import DTYPES
from embcheck.conformance.suite.layouts import Memory, is_plain, lay, memory_of, room

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_ARRAY_BYTES = 4 * 1024**3
"""Of what comes from a backend. A table that is handed to one may be larger."""

Frame = tuple[dict[str, Any], dict[str, np.ndarray]]


class Broken(Exception):
    """The other side died, or sent something that is no frame."""


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
    described = [
        {"name": name, "dtype": array.dtype.name, "shape": array.shape}
        | ({"memory": asdict(memory_of(array))} if with_layouts and not is_plain(array) else {})
        for name, array in arrays.items()
    ]
    text = json.dumps({**header, "arrays": described}).encode()
    stream.write(struct.pack("<q", len(text)))
    stream.write(text)
    for array in arrays.values():
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        stream.write(np.ascontiguousarray(native).reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: Readable, most: int = MAX_ARRAY_BYTES, *, with_layouts: bool = False) -> Frame:
    """Read one frame; raises Broken if there is none, or if an array has more than `most` bytes.

    What comes from a backend is data only: every array has one of the known dtypes, and no layout.
    """
    (length,) = struct.unpack("<q", _exactly(stream, 8))
    if not 0 <= length <= MAX_HEADER_BYTES:
        raise Broken(f"a header of {length} bytes")
    try:
        header = json.loads(_exactly(stream, length).decode())
        arrays = {}
        for entry in header.pop("arrays"):
            array = _read_array(stream, entry, most)
            if with_layouts and "memory" in entry:
                array = lay(array, _memory(entry["memory"]))
            arrays[entry["name"]] = array
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Broken(f"not a frame: {error}") from None
    return header, arrays


def _exactly(stream: Readable, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise Broken("the channel was closed")
    return data


def _read_array(stream: Readable, entry: Mapping[str, Any], most: int) -> np.ndarray:
    if entry["dtype"] not in DTYPES:
        raise Broken(f"an array of unknown dtype: {entry['dtype']}")
    dtype = np.dtype(entry["dtype"])
    count = _element_count(entry["shape"])
    if count * dtype.itemsize > most:
        raise Broken(f"an array of {count} elements")
    data = room(entry["shape"], dtype)
    view = data.reshape(-1).view(np.uint8)
    if (stream.readinto(view.data) or 0) < view.size:
        raise Broken("the channel was closed")
    return data


def _memory(told: Mapping[str, Any]) -> Memory:
    return Memory(tuple(told["strides"]), told["before"], told["after"], told["kind"])


def _element_count(shape: Iterable[int]) -> int:
    count = 1
    for size in shape:
        if not isinstance(size, int) or size < 0:
            raise Broken(f"a shape that is none: {shape}")
        count *= size
    return count

"""How an array lies in memory: by name, as specs write it, and exactly, as it travels.

Memory between and around an array's own elements is filled with bytes that no row has.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ALIGNMENT = 64
"""Bytes: a line of the cache, and the widest vector."""
_FILLING = 0x55
_GAP = 3
"""Elements between padded rows: odd, so that rows do not stay aligned to vectors."""


@dataclass(frozen=True)
class MemoryLayout:
    """The places of an array's elements in the memory that it is a view of.

    `strides`, `before` and `after` are in bytes; the last two are the sizes of the memory before
    the array's first byte and after its last one. `kind` is plain, readonly, mapped, or zeros: that
    is what then stands in the memory around it.
    """

    strides: tuple[int, ...]
    before: int = 0
    after: int = 0
    kind: str = "plain"


def memory_of(array: np.ndarray) -> MemoryLayout:
    """Tell how an array lies in the largest array that it is a view of."""
    # NumPy mostly lets `base` be the root already, but not where a subclass or a buffer is between.
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    kind = "plain" if array.flags.writeable else "readonly"
    if isinstance(array, np.memmap):
        return MemoryLayout(array.strides, kind="mapped")
    if not array.size:
        return MemoryLayout(array.strides, kind=kind)
    (low, high), (first, last) = _bounds(array), _bounds(root)
    # Memory that `lay` made is of bytes; the last one tells what it was filled with.
    is_laid = last > high and root.dtype == np.uint8
    if kind == "plain" and is_laid and not root[-1]:
        kind = "zeros"
    return MemoryLayout(array.strides, low - first, last - high, kind)


def is_plain(array: np.ndarray) -> bool:
    """Whether an array is all of its memory, in C order, and may be written to.

    Strides of axes of one element count too: a library may read them.
    """
    # Without elements, strides lead nowhere, and any will do.
    strides = _c_order(array) if array.size else array.strides
    if array.base is None:
        return array.flags.writeable and array.strides == strides
    return memory_of(array) == MemoryLayout(strides)


def room(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Return an array of its own in C order, to be filled.

    One without elements has strides as PyTorch and others give them; NumPy's own are all 0.
    """
    if 0 not in shape:
        return np.empty(shape, dtype)
    steps = _steps(shape, dtype.itemsize, shape[-1])
    return np.ndarray(tuple(shape), dtype, np.empty(dtype.itemsize, np.uint8), 0, steps)


def lay(values: np.ndarray, memory: MemoryLayout) -> np.ndarray:
    """Return a copy of an array that lies in memory of its own as told.

    Raises ValueError where the memory told cannot hold an array of that shape.
    """
    if memory.kind == "mapped":
        return _mapped(values)
    if not values.size:
        return _finished(room(values.shape, values.dtype), memory)
    extent = [step * (size - 1) for step, size in zip(memory.strides, values.shape, strict=True)]
    below = -sum(step for step in extent if step < 0)
    span = below + sum(step for step in extent if step > 0) + values.itemsize
    # The layout may come from another process, and be wrong: an array beyond its memory, or at no
    # multiple of its elements' size, would be read all the same.
    if memory.before < 0 or memory.after < 0 or (memory.before + below) % values.itemsize:
        raise ValueError(f"no array of {values.dtype} lies {memory.before} bytes into its memory")
    whole = _aligned(memory.before + span + memory.after)
    if memory.kind == "zeros":
        whole[:] = 0
    start = memory.before + below
    laid: np.ndarray = np.ndarray(values.shape, values.dtype, whole, start, memory.strides)
    # Where a stride is 0, all elements along that axis are one.
    once = tuple(slice(None) if step else slice(1) for step in memory.strides)
    laid[once] = values[once]
    return _finished(laid, memory)


def layout_of(array: np.ndarray) -> str:
    """Name the layout of an array, one of `LAYOUTS`; the nearest where none is its own."""
    # Each layout is made and compared: how it lies stands in its function, and nowhere else.
    memory = memory_of(array)
    plain = np.zeros(array.shape, array.dtype)
    for name, make in LAYOUTS.items():
        if memory_of(make(plain)) == memory:
            return name
    if array.size and 0 in array.strides:
        return "expanded"
    if any(step < 0 for step in array.strides):
        return "reversed"
    if array.flags.c_contiguous:
        return "part"
    return "transposed" if array.flags.f_contiguous else "stepped"


def _bounds(array: np.ndarray) -> tuple[int, int]:
    """Return the addresses of an array's first byte and of the one behind its last."""
    start: int = array.__array_interface__["data"][0]
    extent = [step * (size - 1) for step, size in zip(array.strides, array.shape, strict=True)]
    low = start + sum(step for step in extent if step < 0)
    return low, start + sum(step for step in extent if step > 0) + array.itemsize


def _aligned(count: int) -> np.ndarray:
    """Return so many bytes, aligned and filled, that are the root of their views."""
    # `frombuffer`, since a slice would have `raw` as its base, and the memory around would be more.
    raw = np.empty(count + ALIGNMENT, np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT
    whole = np.frombuffer(raw.data[start : start + count], np.uint8)
    whole[:] = _FILLING
    return whole


def _finished(array: np.ndarray, memory: MemoryLayout) -> np.ndarray:
    array.flags.writeable = memory.kind != "readonly"
    return array


def _steps(shape: Sequence[int], itemsize: int, row: int) -> tuple[int, ...]:
    """Return the strides in C order of an array whose last axis takes `row` elements."""
    # As PyTorch and others have them: an axis of size 0 counts as 1.
    steps = [itemsize]
    for size in (row, *reversed(shape[1:-1])):
        steps.append(steps[-1] * max(size, 1))
    return tuple(reversed(steps[: len(shape)]))


def _c_order(values: np.ndarray) -> tuple[int, ...]:
    return _steps(values.shape, values.itemsize, values.shape[-1] if values.ndim else 1)


def _transposed(values: np.ndarray) -> np.ndarray:
    return values.T.copy().T


def _stepped(values: np.ndarray) -> np.ndarray:
    """Take every second element of a wider last axis."""
    if values.ndim == 0:
        return values.copy()
    wide = _steps(values.shape, values.itemsize, 2 * values.shape[-1])
    return lay(values, MemoryLayout((*wide[:-1], 2 * values.itemsize), after=values.itemsize))


def _expanded(values: np.ndarray) -> np.ndarray:
    """Repeat one value along the first axis with a stride of 0."""
    if values.ndim == 0:
        return values.copy()
    return lay(values, MemoryLayout((0, *_c_order(values)[1:])))


def _padded(values: np.ndarray) -> np.ndarray:
    """Leave a gap behind each row: a unit stride of columns, a larger one of rows."""
    if values.ndim < 2:
        return values.copy()
    row = values.shape[-1] + _GAP
    return lay(values, MemoryLayout(_steps(values.shape, values.itemsize, row)))


def _offset(values: np.ndarray) -> np.ndarray:
    """Begin one element behind the start of the memory, misaligned by that element."""
    return lay(values, MemoryLayout(_c_order(values), values.itemsize, _GAP * values.itemsize))


def _part(values: np.ndarray) -> np.ndarray:
    """Take a contiguous part: a row of a matrix, or rows from the middle of a taller table."""
    # A whole row on either side, as where it is cut from a larger array.
    row = values.nbytes // len(values) if values.ndim > 1 and len(values) else values.nbytes
    return lay(values, MemoryLayout(_c_order(values), row, row))


def _among_zeros(values: np.ndarray) -> np.ndarray:
    """Take a contiguous part of an array that is 0 elsewhere, and so has valid indices beyond."""
    return lay(values, MemoryLayout(_c_order(values), values.nbytes, values.nbytes, "zeros"))


def _reversed(values: np.ndarray) -> np.ndarray:
    """Lay the first axis out backwards, with a negative stride."""
    return values[::-1].copy()[::-1] if values.ndim else values.copy()


def _readonly(values: np.ndarray) -> np.ndarray:
    return _finished(values.copy(), MemoryLayout(values.strides, kind="readonly"))


def _mapped(values: np.ndarray) -> np.ndarray:
    """Map a file into memory; what is written to the array does not reach the file."""
    if not values.size:  # No file of no bytes can be mapped.
        return values.copy()
    with tempfile.TemporaryFile() as file:
        file.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        file.flush()
        mapped: np.ndarray[Any, Any] = np.memmap(file, values.dtype, "c", shape=values.shape)
        return mapped


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": np.copy,
    "transposed": _transposed,
    "stepped": _stepped,
    "expanded": _expanded,
    "padded": _padded,
    "offset": _offset,
    "part": _part,
    "among-zeros": _among_zeros,
    "reversed": _reversed,
    "readonly": _readonly,
    "mapped": _mapped,
}
"""What lays an array out anew, by the name of the layout."""

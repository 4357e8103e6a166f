"""Memory layouts of arrays: by name, as specs write them, and exactly, as they are sent to workers.

The memory between and around an array's own elements is filled with the byte 0x55, which makes
values that no row has.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ALIGNMENT = 64
"""In bytes: the size of a cache line and of the widest vector."""
_FILLING = 0x55
_GAP = 3
"""The number of elements between padded rows; odd, so that rows are not aligned to vectors."""


@dataclass(frozen=True)
class MemoryLayout:
    """Where an array's elements lie in the memory that it is a view of.

    `strides`, `before` and `after` are in bytes. The last two are the sizes of the memory before
    the array's first byte and after its last byte. `kind` is `plain`, `readonly`, `mapped`, or
    `zeros`, which means that the memory around the array is filled with zeros.
    """

    strides: tuple[int, ...]
    before: int = 0
    after: int = 0
    kind: str = "plain"


def memory_of(array: np.ndarray) -> MemoryLayout:
    """Return the layout of an array in the outermost array that it is a view of."""
    # `base` is mostly that array already, but not if a subclass or a buffer is in between.
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    kind = "plain" if array.flags.writeable else "readonly"
    if isinstance(array, np.memmap):
        return MemoryLayout(array.strides, kind="mapped")
    if not array.size:
        return MemoryLayout(array.strides, kind=kind)
    (low, high), (first, last) = _bounds(array), _bounds(root)
    # Memory that `lay` made is an array of bytes. The last byte shows what it was filled with.
    is_laid = last > high and root.dtype == np.uint8
    if kind == "plain" and is_laid and not root[-1]:
        kind = "zeros"
    return MemoryLayout(array.strides, low - first, last - high, kind)


def is_plain(array: np.ndarray) -> bool:
    """Whether an array fills its memory in C order and may be written to.

    The strides of axes of one element must be those of C order too, since a library may read them.
    """
    # The strides of an array without elements do not matter.
    strides = _c_order(array) if array.size else array.strides
    if array.base is None:
        return array.flags.writeable and array.strides == strides
    return memory_of(array) == MemoryLayout(strides)


def room(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Return a new array in C order, with values still to be set.

    An array without elements gets the strides that PyTorch and others would give it; in NumPy they
    would all be 0.
    """
    if 0 not in shape:
        return np.empty(shape, dtype)
    steps = _steps(shape, dtype.itemsize, shape[-1])
    return np.ndarray(tuple(shape), dtype, np.empty(dtype.itemsize, np.uint8), 0, steps)


def lay(values: np.ndarray, memory: MemoryLayout) -> np.ndarray:
    """Return a copy of an array, in new memory with the given layout.

    Raise ValueError if the layout cannot hold an array of that shape and dtype.
    """
    if memory.kind == "mapped":
        return _mapped(values)
    if not values.size:
        return _finished(room(values.shape, values.dtype), memory)
    extent = [step * (size - 1) for step, size in zip(memory.strides, values.shape, strict=True)]
    below = -sum(step for step in extent if step < 0)
    span = below + sum(step for step in extent if step > 0) + values.itemsize
    # The layout may come from another process and be wrong. NumPy would read an array beyond its
    # memory, or one that does not begin at a multiple of its elements' size.
    if memory.before < 0 or memory.after < 0 or (memory.before + below) % values.itemsize:
        raise ValueError(f"{values.dtype} cannot begin {memory.before} bytes into its memory")
    whole = _aligned(memory.before + span + memory.after)
    if memory.kind == "zeros":
        whole[:] = 0
    start = memory.before + below
    laid: np.ndarray = np.ndarray(values.shape, values.dtype, whole, start, memory.strides)
    # Where a stride is 0, all elements along that axis are the same memory.
    once = tuple(slice(None) if step else slice(1) for step in memory.strides)
    laid[once] = values[once]
    return _finished(laid, memory)


def layout_of(array: np.ndarray) -> str:
    """Return the name in `LAYOUTS` of an array's layout, or of the most similar one."""
    # Each layout is made and compared, since only its function defines it.
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
    """Return the addresses of an array's first byte and of the byte after its last."""
    start: int = array.__array_interface__["data"][0]
    extent = [step * (size - 1) for step, size in zip(array.strides, array.shape, strict=True)]
    low = start + sum(step for step in extent if step < 0)
    return low, start + sum(step for step in extent if step > 0) + array.itemsize


def _aligned(count: int) -> np.ndarray:
    """Return an aligned array of `count` filled bytes that is not a view of another array."""
    # `frombuffer`, since the base of a slice would be `raw`, and `memory_of` would count all of it.
    raw = np.empty(count + ALIGNMENT, np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT
    whole = np.frombuffer(raw.data[start : start + count], np.uint8)
    whole[:] = _FILLING
    return whole


def _finished(array: np.ndarray, memory: MemoryLayout) -> np.ndarray:
    array.flags.writeable = memory.kind != "readonly"
    return array


def _steps(shape: Sequence[int], itemsize: int, row: int) -> tuple[int, ...]:
    """Return the strides, in bytes, of an array in C order whose rows are `row` elements apart."""
    # As in PyTorch and others, an axis of size 0 counts as 1.
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
    """Leave a gap after each row: columns have a stride of one element, rows a larger one."""
    if values.ndim < 2:
        return values.copy()
    row = values.shape[-1] + _GAP
    return lay(values, MemoryLayout(_steps(values.shape, values.itemsize, row)))


def _offset(values: np.ndarray) -> np.ndarray:
    """Begin one element after an aligned address, and so misaligned."""
    return lay(values, MemoryLayout(_c_order(values), values.itemsize, _GAP * values.itemsize))


def _part(values: np.ndarray) -> np.ndarray:
    """Take a contiguous part: a row of a matrix, or rows from the middle of a taller table."""
    # A whole row before and after it, as if it were cut from a larger array.
    row = values.nbytes // len(values) if values.ndim > 1 and len(values) else values.nbytes
    return lay(values, MemoryLayout(_c_order(values), row, row))


def _among_zeros(values: np.ndarray) -> np.ndarray:
    """Take a contiguous part of an array of zeros, so that its neighbours are valid indices."""
    return lay(values, MemoryLayout(_c_order(values), values.nbytes, values.nbytes, "zeros"))


def _reversed(values: np.ndarray) -> np.ndarray:
    """Store the first axis backwards, with a negative stride."""
    return values[::-1].copy()[::-1] if values.ndim else values.copy()


def _readonly(values: np.ndarray) -> np.ndarray:
    return _finished(values.copy(), MemoryLayout(values.strides, kind="readonly"))


def _mapped(values: np.ndarray) -> np.ndarray:
    """Map a file into memory. What is written to the array does not reach the file."""
    if not values.size:  # An empty file cannot be mapped.
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
"""Functions that copy an array into a layout, by the layout's name."""

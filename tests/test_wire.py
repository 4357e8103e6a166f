"""Frames between harness and worker: limits on arrays, and their layouts in memory."""

from __future__ import annotations

import io
import json
import struct
import sys

import numpy as np
import pytest

from embcheck.conformance.execution.protocol import wire
from embcheck.conformance.suite.arrays import DTYPES
from embcheck.conformance.suite.layouts import LAYOUTS, MemoryLayout, lay, layout_of, memory_of


def claiming(shape: list[int]) -> io.BytesIO:
    """Return a frame that announces an array of float64 and ends before it."""
    array = {"name": "weight", "dtype": "float64", "shape": shape}
    text = json.dumps({"arrays": [array]}).encode()
    return io.BytesIO(struct.pack("<q", len(text)) + text)


def test_a_backend_cannot_send_more_than_the_harness_bears():
    """An answer of over 4 GiB is refused before memory is allocated for it."""
    with pytest.raises(wire.Broken, match="an array of 536870913 elements"):
        wire.receive(claiming([2**29 + 1]))


def test_a_backend_can_be_handed_a_table_of_any_size():
    """A worker accepts arrays of any size from the harness."""
    with pytest.raises(wire.Broken, match="the channel was closed"):
        wire.receive(claiming([2**29 + 1]), sys.maxsize)


SHAPES = ((), (1,), (5,), (0,), (3, 4), (0, 3), (3, 0), (1, 1), (2, 3, 4), (1, 3, 1))


def travelled(array: np.ndarray, *, with_layouts: bool) -> np.ndarray:
    """Send an array through a channel and return it as received."""
    channel = io.BytesIO()
    wire.send(channel, {}, {"a": array}, with_layouts=with_layouts)
    channel.seek(0)
    return wire.receive(channel, sys.maxsize, with_layouts=with_layouts)[1]["a"]


def laid_out(layout: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Make an array of small numbers in a layout; an expanded one has equal rows."""
    values = (np.arange(int(np.prod(shape))) % 2).reshape(shape).astype(dtype)
    if layout == "expanded" and values.size:
        values = np.repeat(values[:1], len(values), axis=0) if values.ndim else values
    return LAYOUTS[layout](values)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_arrives_as_it_lies_in_memory(layout, dtype):
    """An array keeps its values, dtype, strides, surroundings and whether it is writable."""
    for shape in SHAPES:
        sent = laid_out(layout, shape, dtype)
        got = travelled(sent, with_layouts=True)
        assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
        assert not sent.size or memory_of(got) == memory_of(sent)
        assert memory_of(got).kind == memory_of(sent).kind
        assert np.array_equal(got, sent)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("shape", "steps"), [((0,), (1,)), ((0, 3), (3, 1)), ((3, 0), (1, 1)), ((2, 0, 3), (3, 3, 1))]
)
def test_an_empty_array_has_the_strides_of_a_list(layout, shape, steps):
    """Empty arrays get PyTorch's strides, since some libraries refuse NumPy's zeros."""
    for with_layouts in (True, False):
        got = travelled(laid_out(layout, shape, "float32"), with_layouts=with_layouts)
        assert got.strides == tuple(4 * step for step in steps)
        assert got.flags.c_contiguous


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_answer_arrives_with_its_values_whatever_its_layout(layout):
    """An answer arrives with the right values, whatever its layout."""
    for shape in SHAPES:
        sent = laid_out(layout, shape, "float32")
        got = travelled(sent, with_layouts=False)
        assert np.array_equal(got, sent)
        assert got.flags.c_contiguous
    three_rows = np.broadcast_to(np.float32([1, 2]), (3, 2))
    assert np.array_equal(travelled(three_rows, with_layouts=False), [[1, 2]] * 3)


def test_a_backend_cannot_have_its_answer_laid_out():
    """A layout announced with an answer is ignored, so different rows stay different."""
    channel = io.BytesIO()
    values = np.float32([[1, 2], [3, 4]])
    wire.send(channel, {}, {"a": values[::-1]}, with_layouts=True)
    channel.seek(0)
    got = wire.receive(channel)[1]["a"]
    assert np.array_equal(got, values[::-1])
    assert got.flags.c_contiguous


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_recognised_by_its_name(layout):
    """Each layout of a table is recognised by its name."""
    assert layout_of(laid_out(layout, (3, 4), "float32")) == layout


def test_a_layout_differs_from_the_plain_one():
    """All layouts of a table differ in memory."""
    seen = {name: memory_of(laid_out(name, (3, 4), "float32")) for name in LAYOUTS}
    assert len(set(seen.values())) == len(LAYOUTS)
    assert seen["padded"].strides == (28, 4)
    assert seen["reversed"].strides == (-16, 4)
    assert (seen["offset"].before, seen["part"].before) == (4, 16)
    assert laid_out("offset", (3, 4), "float32").__array_interface__["data"][0] % 64 == 4


def test_memory_that_cannot_hold_an_array_is_refused():
    """A layout that begins half an element before an array is refused."""
    with pytest.raises(ValueError, match="2 bytes into its memory"):
        lay(np.float32([1, 2]), MemoryLayout((4,), 2, 0))

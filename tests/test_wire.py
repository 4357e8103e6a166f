"""Frames between harness and worker: how large an array may be depends on who sent it."""

from __future__ import annotations

import io
import json
import struct
import sys

import pytest

from embcheck.conformance.execution import wire


def claiming(shape: list[int]) -> io.BytesIO:
    """Return a frame that promises an array of float64, and ends before it."""
    array = {"name": "weight", "dtype": "float64", "shape": shape, "layout": "contiguous"}
    text = json.dumps({"arrays": [array]}).encode()
    return io.BytesIO(struct.pack("<q", len(text)) + text)


def test_a_backend_cannot_send_more_than_the_harness_bears():
    """An answer of over 4 GiB is refused before memory is taken for it."""
    with pytest.raises(wire.Broken, match="an array of 536870913 elements"):
        wire.receive(claiming([2**29 + 1]))


def test_a_backend_can_be_handed_a_table_of_any_size():
    """A worker takes what the harness sends, a table of 5 GB for one; this one never comes."""
    with pytest.raises(wire.Broken, match="the channel was closed"):
        wire.receive(claiming([2**29 + 1]), sys.maxsize)

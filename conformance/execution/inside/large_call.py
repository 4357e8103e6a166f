"""Large calls: the arrays are made in the worker, and only some places are returned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.execution.inside.attempt import Reply, bring_home, run_call
from embcheck.conformance.execution.inside.tracking import tracked
from embcheck.conformance.execution.protocol.messages import parse_call
from embcheck.conformance.suite.array_parser import parse_array


def ask_large(backend: Backend, header: Mapping[str, Any]) -> Reply:
    """Make the arrays, run the call once, and return the places of the answer that are asked for.

    The reply's `shapes` and `dtypes` are those of the observations, and `changed` names the inputs
    that the call changed.
    """
    inputs = {name: parse_array(recipe).array() for name, recipe in header["made"].items()}
    # Digests, since copies to compare with would take as much memory again.
    before = {name: _digest(array) for name, array in inputs.items()}
    call = tracked(parse_call(header["call"], inputs))
    answer, told = run_call(backend, call, backend)
    home = bring_home(backend.to_numpy, answer, told)
    return _selected(home, header["places"], before, told)


def _selected(
    home: Mapping[str, np.ndarray],
    places: Mapping[str, list[list[int]]],
    before: Mapping[str, bytes],
    told: Mapping[str, Any],
) -> Reply:
    """Return the places asked for, and the header; places that an array lacks are left out."""
    arrays = {
        f"{name}/{number}": np.array(home[name][tuple(position)])
        for name in places.keys() & home.keys()
        for number, position in enumerate(places[name])
        if _has(home[name].shape, position)
    }
    after = {name: home.get(f"{name}_after") for name in before}
    header = {
        **told,
        "shapes": {name: list(home[name].shape) for name in places if name in home},
        "dtypes": {name: home[name].dtype.name for name in places if name in home},
        "changed": [n for n, a in after.items() if a is not None and _digest(a) != before[n]],
        "not_reported": [f"{name}_after" for name, array in after.items() if array is None],
    }
    return header, arrays


def _has(shape: tuple[int, ...], position: list[int]) -> bool:
    return len(position) <= len(shape) and all(
        index < size for index, size in zip(position, shape, strict=False)
    )


def _digest(array: np.ndarray) -> bytes:
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return hashlib.blake2b(data.data, digest_size=16).digest()

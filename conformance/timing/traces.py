"""The arrays of a workload: seeded words, the same on every machine and in every version.

NumPy may change how a Generator turns random words into numbers, but not the raw words of a bit
generator (NEP 19); so numbers are made from raw words of PCG64 here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.suite import real_data
from embcheck.conformance.timing.workloads import Origin, Profile, Ragged, Workload

Arrays = dict[str, np.ndarray]

COLD_TRACES = 8
UPSTREAM_SEED = 7


@dataclass(frozen=True)
class Change:
    """One index to change: its place among all indices, and the row that it shall name instead."""

    position: int
    row: int


@dataclass(frozen=True)
class Inputs:
    """A workload's arrays: those that all its calls share, and those of each trace.

    `change` is the smallest change of the first trace that must change the answer.
    """

    workload: Workload
    shared: Mapping[str, np.ndarray]
    traces: tuple[Mapping[str, np.ndarray], ...]
    change: Change

    def call(self, trace: int) -> Call:
        """Return the call on one trace."""
        return self._call(self.traces[trace])

    def changed_call(self) -> Call:
        """Return the call on the first trace with one index changed."""
        indices = self.traces[0]["indices"].copy()
        indices.reshape(-1)[self.change.position] = self.change.row
        return self._call({**self.traces[0], "indices": indices})

    def _call(self, arrays: Mapping[str, np.ndarray]) -> Call:
        workload = self.workload
        inputs = {**self.shared, **arrays}
        return Call(workload.operation, inputs, workload.options, workload.observe)

    @property
    def lookups(self) -> int:
        """Count the rows that a call looks up, on average over the traces."""
        return round(sum(trace["indices"].size for trace in self.traces) / len(self.traces))

    @property
    def bags(self) -> int | None:
        """Count the bags of a call; None for a lookup."""
        if not self.workload.operation.is_bag:
            return None
        first = self.traces[0]
        return len(first["offsets"] if "offsets" in first else first["indices"])

    @property
    def hashes(self) -> list[str]:
        """Return the SHA-256 of each trace: its arrays' bytes, little-endian, in order of name."""
        return [_hash(trace) for trace in self.traces]


def make_inputs(workload: Workload, profile: Profile, traces: int) -> Inputs:
    """Make a workload's table and a number of traces; raises real_data.Missing."""
    table = _table(workload, profile)
    made = tuple(_trace(workload.trace, profile, len(table), turn) for turn in range(traces))
    shared = {"weight": table}
    if Observation.GRAD_WEIGHT in workload.observe:
        # Gradients are asked for bags of one number only, so every trace has this shape.
        shape = (profile.bags or profile.indices or 0, table.shape[1])
        shared["grad_output"] = _uniform(UPSTREAM_SEED, shape, workload.dtype)
    indices = made[0]["indices"].reshape(-1)
    position = indices.size // 2
    change = Change(position, int((indices[position] + 1) % len(table)))
    return Inputs(workload, shared, made, change)


def _table(workload: Workload, profile: Profile) -> np.ndarray:
    if workload.table.real is not None:
        return real_data.load(workload.table.real).astype(workload.dtype, copy=False)
    assert profile.rows is not None  # noqa: S101  (checked when the file was read)
    assert profile.columns is not None  # noqa: S101
    assert workload.table.seed is not None  # noqa: S101
    return _uniform(workload.table.seed, (profile.rows, profile.columns), workload.dtype)


def _trace(origin: Origin, profile: Profile, rows: int, turn: int) -> Arrays:
    if origin.real is not None:
        return {"indices": _window(real_data.load(origin.real), profile.indices or 0, turn)}
    assert origin.seed is not None  # noqa: S101  (checked when the file was read)
    seed = [origin.seed, turn]
    if profile.ragged is not None:
        lengths = _lengths([*seed, 1], profile.bags or 0, profile.ragged)
        offsets = np.cumsum(np.concatenate([[0], lengths[:-1]]), dtype=np.int64)
        return {"indices": _below(seed, rows, int(lengths.sum())), "offsets": offsets}
    if profile.bags is not None:
        size = profile.bag_size or 0
        return {"indices": _below(seed, rows, profile.bags * size).reshape(profile.bags, size)}
    return {"indices": _below(seed, rows, profile.indices or 0)}


def _window(tokens: np.ndarray, length: int, turn: int) -> np.ndarray:
    """Cut the `turn`-th window out of a text, going round at its end."""
    return np.take(tokens, np.arange(turn * length, (turn + 1) * length), mode="wrap")


def _words(seed: int | list[int], count: int) -> np.ndarray:
    return np.asarray(np.random.PCG64(seed).random_raw(count))


def _below(seed: list[int], limit: int, count: int) -> np.ndarray:
    """Draw integers below a limit; for limits below 2**32 the bias is below 2**-32."""
    return (_words(seed, count) % np.uint64(limit)).astype(np.int64)


def _uniform(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Draw numbers in [-1, 1) that fill the dtype's significand, that of float32 at most."""
    count = int(np.prod(shape))
    words = _words(seed, -(-count // 2)).astype("<u8", copy=False).view("<i4")[:count]
    bits = min(np.finfo(dtype).nmant, np.finfo(np.float32).nmant)
    numbers = (words >> (31 - bits)).astype(dtype)
    numbers *= np.dtype(dtype).type(2.0**-bits)
    return numbers.reshape(shape)


def _lengths(seed: list[int], bags: int, ragged: Ragged) -> np.ndarray:
    """Draw the lengths of bags; the share of empty ones is met exactly, at random places."""
    words = _words(seed, bags * 2)
    lengths = (words[:bags] % np.uint64(ragged.longest)).astype(np.int64) + 1
    lengths[np.argsort(words[bags:], kind="stable")[: round(bags * ragged.empty)]] = 0
    return lengths


def _hash(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()

"""The arrays of a workload, made from a seed: the same on every machine and in every version.

NumPy may change how a Generator turns random words into numbers, but not the raw words of a bit
generator (NEP 19). So numbers are made from raw words of PCG64 here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import ml_dtypes  # NumPy alone knows no bfloat16
import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.suite import real_data
from embcheck.conformance.timing.workloads.load import Origin, Ragged, Workload, WorkloadProfile
from embcheck.conformance.timing.workloads.reuse import reuse_stream, scatter

Arrays = dict[str, np.ndarray]

COLD_TRACES = 8
ROTATING = "rotating"
"""The state of a cell whose traces rotate over a table of any size: cold only if that is large."""
MAX_ALIKE = 1000
"""How many equal rows a change may skip."""
UPSTREAM_SEED = 7
WEIGHTS_SEED = 8


@dataclass(frozen=True)
class IndexChange:
    """One index to change: its place among all indices, and its new row."""

    position: int
    row: int


@dataclass(frozen=True)
class Inputs:
    """The calls of a cell: one without arrays, the arrays that all share, and those of each trace.

    `change` changes one index of the first trace; the answer must change with it.
    """

    bare: Call
    shared: Mapping[str, np.ndarray]
    traces: tuple[Mapping[str, np.ndarray], ...]
    change: IndexChange

    def call(self, trace: int) -> Call:
        """Return the call on one trace."""
        return self._call(self.traces[trace])

    def changed_call(self) -> Call:
        """Return the call on the first trace with one index changed."""
        indices = self.traces[0]["indices"].copy()
        indices.reshape(-1)[self.change.position] = self.change.row
        return self._call({**self.traces[0], "indices": indices})

    def _call(self, arrays: Mapping[str, np.ndarray]) -> Call:
        return replace(self.bare, inputs={**self.shared, **arrays})

    @property
    def lookups(self) -> int:
        """Count the rows that a call looks up, on average over the traces."""
        return round(sum(trace["indices"].size for trace in self.traces) / len(self.traces))

    @property
    def bags(self) -> int | None:
        """Count the bags of a call; None for a lookup."""
        if not self.bare.operation.is_bag:
            return None
        first = self.traces[0]
        return len(first["offsets"] if "offsets" in first else first["indices"])

    @property
    def hashes(self) -> list[str]:
        """Return the SHA-256 of each trace: its arrays' bytes, little-endian, in order of name."""
        return [_hash(trace) for trace in self.traces]


def make_inputs(workload: Workload, profile: WorkloadProfile, traces: int) -> Inputs:
    """Make a workload's table and a number of traces; raises real_data.Missing."""
    if workload.given is not None:
        table, made = workload.given.table, workload.given.calls[:traces]
    else:
        table = _table(workload, profile)
        made = tuple(_traces(workload, profile, len(table), traces))
    shared = {"weight": table}
    if {Observation.GRAD_WEIGHT, Observation.TRAINED_WEIGHT} & {*workload.observe}:
        # Gradients are only observed for bags of equal length, so every trace has this shape.
        shape = (profile.bags or profile.indices or 0, table.shape[1])
        shared["grad_output"] = draw_upstream(shape, workload.dtype)
    bare = Call(workload.operation, {}, workload.options, workload.observe)
    return Inputs(bare, shared, made, _change(table, made[0]["indices"].reshape(-1)))


def _change(table: np.ndarray, indices: np.ndarray) -> IndexChange:
    """Choose an index in the middle, and the next row that differs from the one it names."""
    position = indices.size // 2
    row = int(indices[position])
    # A row of equal values would leave the answer as it is, and show nothing.
    others = ((row + 1 + step) % len(table) for step in range(min(len(table), MAX_ALIKE)))
    different = (other for other in others if not np.array_equal(table[other], table[row]))
    return IndexChange(position, next(different, (row + 1) % len(table)))


def draw_upstream(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Draw an upstream gradient, the same for every call of a shape."""
    # The definition and each worker must have the same gradient.
    return _uniform(UPSTREAM_SEED, shape, dtype)


def draw_weights(shape: tuple[int, ...], dtype: str) -> Arrays:
    """Draw a per-sample weight for each index."""
    return {"per_sample_weights": _uniform(WEIGHTS_SEED, shape, dtype)}


def _table(workload: Workload, profile: WorkloadProfile) -> np.ndarray:
    if workload.table.real is not None:
        return real_data.load(workload.table.real).astype(workload.dtype, copy=False)
    assert profile.rows is not None  # noqa: S101  (checked when the file was read)
    assert profile.columns is not None  # noqa: S101
    assert workload.table.seed is not None  # noqa: S101
    shape = (profile.rows, profile.columns)
    return _uniform(workload.table.seed, shape, workload.dtype, workload.table.bits)


def _traces(
    workload: Workload, profile: WorkloadProfile, rows: int, count: int
) -> Iterator[Arrays]:
    """Make each trace: its indices, offsets and weights."""
    origin = workload.trace
    layouts = [_layout(origin, profile, turn) for turn in range(count)]
    streams = _streams(origin, rows, [size for size, _ in layouts])
    for turn, ((size, layout), stream) in enumerate(zip(layouts, streams, strict=True)):
        indices = stream
        if profile.bags is not None and profile.ragged is None:
            indices = stream.reshape(profile.bags, profile.bag_size or 0)
        arrays = {"indices": indices, **layout}
        arrays = {name: array.astype(workload.index_dtype) for name, array in arrays.items()}
        if workload.per_sample_weights is not None:
            seed = [workload.per_sample_weights.seed or 0, turn]
            weights = _uniform(seed, (size,), workload.dtype)
            arrays["per_sample_weights"] = weights.reshape(indices.shape)
        yield arrays


def _layout(origin: Origin, profile: WorkloadProfile, turn: int) -> tuple[int, Arrays]:
    """Return how many indices a trace has, and the offsets of its bags if they are ragged."""
    if profile.ragged is not None:
        # The 1 keeps these words apart from those of the trace's indices.
        seed = [origin.seed or 0, turn, 1]
        lengths = _lengths(seed, profile.bags or 0, profile.ragged)
        offsets = np.cumsum(np.concatenate([[0], lengths[:-1]]), dtype=np.int64)
        return int(lengths.sum()), {"offsets": offsets}
    if profile.bags is not None:
        # A size that a workload needs was checked with its file: `or 0` is for mypy alone.
        return profile.bags * (profile.bag_size or 0), {}
    return profile.indices or 0, {}


def _streams(origin: Origin, rows: int, sizes: Sequence[int]) -> list[np.ndarray]:
    """Draw the indices of all traces; a histogram of reuse holds over all of them together."""
    if origin.real is not None:
        tokens = real_data.load(origin.real)
        return [_window(tokens, size, turn) for turn, size in enumerate(sizes)]
    assert origin.seed is not None  # noqa: S101  (checked when the file was read)
    if origin.reuse is not None:
        stream = reuse_stream([origin.seed], rows, sum(sizes))
        return np.split(stream, np.cumsum(sizes)[:-1])
    seeds = [[origin.seed, turn] for turn in range(len(sizes))]
    if origin.zipf is not None:
        tails = _zipf_tails(rows, origin.zipf)
        return [_zipf(seed, tails, rows, size) for seed, size in zip(seeds, sizes, strict=True)]
    return [_below(seed, rows, size) for seed, size in zip(seeds, sizes, strict=True)]


def _window(tokens: np.ndarray, length: int, turn: int) -> np.ndarray:
    """Cut the `turn`-th window out of a text, which wraps around at its end."""
    return np.take(tokens, np.arange(turn * length, (turn + 1) * length), mode="wrap")


def _words(seed: int | list[int], count: int) -> np.ndarray:
    return np.asarray(np.random.PCG64(seed).random_raw(count))


def _below(seed: list[int], limit: int, count: int) -> np.ndarray:
    """Draw integers below a limit; for limits below 2**32 the bias is below 2**-32."""
    return (_words(seed, count) % np.uint64(limit)).astype(np.int64)


def _zipf_tails(rows: int, exponent: float) -> np.ndarray:
    """Return the cumulative shares of Zipf's law, in units of 2**-53; rank r has r ** -exponent."""
    shares = np.arange(1, rows + 1, dtype=np.float64) ** -exponent
    sums = np.cumsum(shares)
    return np.asarray((sums / sums[-1] * 2.0**53).astype(np.uint64))


def _zipf(seed: list[int], tails: np.ndarray, rows: int, count: int) -> np.ndarray:
    """Draw ranks by Zipf's law, and spread them over the table."""
    # The upper 53 bits of each word: the unit of the tails, exact in a float64.
    ranks = np.searchsorted(tails, _words(seed, count) >> np.uint64(11), side="right")
    return scatter(np.minimum(ranks, rows - 1), rows)


def _uniform(
    seed: int | list[int], shape: tuple[int, ...], dtype: str, bits: int | None = None
) -> np.ndarray:
    """Draw multiples of 2 ** -bits in [-1, 1); by default as fine as the dtype, at most float32."""
    count = int(np.prod(shape))
    # Each word gives two numbers; little-endian, so that they come in one order everywhere.
    words = _words(seed, -(-count // 2)).astype("<u8", copy=False).view("<i4")[:count]
    own = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    bits = bits or min(own.nmant, np.finfo(np.float32).nmant)
    numbers = (words >> (31 - bits)).astype(dtype)
    numbers *= np.dtype(dtype).type(2.0**-bits)
    return numbers.reshape(shape)


def _lengths(seed: list[int], bags: int, ragged: Ragged) -> np.ndarray:
    """Draw the lengths of bags; the share of empty ones is met exactly, at random places."""
    words = _words(seed, bags * 2)
    lengths = (words[:bags] % np.uint64(ragged.longest)).astype(np.int64) + 1
    # By other words than the lengths, so that a bag is not empty because of its length.
    lengths[np.argsort(words[bags:], kind="stable")[: round(bags * ragged.empty)]] = 0
    return lengths


def _hash(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        # In one byte order, so that the hash is the same on every machine.
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()

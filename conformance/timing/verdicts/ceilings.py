"""The memory bandwidth of this machine: STREAM's rates, and gathers of rows.

Rates are the best of several blocks, as in STREAM (McCalpin, 1995), and counted as there: a copy
moves 2N bytes, an addition 3N, a sum N. Reads for ownership, before an overwrite, are not counted;
`LEAST_UNCOUNTED` corrects for them when a rate is used as a limit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from threading import Barrier, Thread
from typing import Any

import numpy as np

from embcheck.conformance.timing.clock import machine
from embcheck.conformance.timing.clock.workers import few_cores

CACHE_FACTOR = 4
MAX_ARRAY_BYTES = 2**30
UNKNOWN_CACHE_BYTES = 32 * 2**20
BLOCK_SECONDS = 0.002
MIN_GATHERED = 1024
LEAST_UNCOUNTED = 1.5
"""A copy that reads its target before it writes it moves 3N bytes where 2N are counted."""

Split = Callable[[Callable[[slice], Any]], None]


@dataclass(frozen=True)
class Rate:
    """A rate in bytes a second, and how it was measured."""

    bytes_per_second: float
    way: str


@dataclass(frozen=True)
class Streams:
    """STREAM's rates with a number of threads; `array_bytes` is the size of each of its arrays."""

    threads: int
    array_bytes: int
    cache_bytes: int | None
    copy: Rate
    add: Rate
    sum: Rate

    def best(self, other: Streams) -> Streams:
        """Return the larger rate of each kind, of two measurements."""
        rates = {
            name: max(getattr(self, name), getattr(other, name), key=lambda r: r.bytes_per_second)
            for name in ("copy", "add", "sum")
        }
        return replace(self, **rates)

    @property
    def fastest(self) -> float:
        """The best rate of any kind, in bytes a second."""
        return max(rate.bytes_per_second for rate in (self.copy, self.add, self.sum))


@dataclass(frozen=True)
class Ceiling:
    """The rates that a cell is compared with: gathers and copies in its own cache state."""

    gather: Rate
    copy: Rate
    limit: float
    """Bytes a second; only a fault of the harness can exceed it."""
    streams: Streams


def measure_streams(threads: int, looks: int = 5) -> Streams:
    """Measure STREAM's rates on arrays of four times the last-level cache, 1 GiB each at most."""
    cache = machine.last_level_cache_bytes()
    # In elements of 8 bytes: the arrays are of float64, as STREAM's are.
    size = min(CACHE_FACTOR * (cache or UNKNOWN_CACHE_BYTES), MAX_ARRAY_BYTES) // 8
    a, b, out = (np.full(size, value) for value in (1.0, 2.0, 0.0))
    with splitting(size, threads) as split:

        def rate(arrays: int, way: str, action: Callable[[slice], Any]) -> Rate:
            seconds = best_seconds(lambda: split(action), looks)
            return Rate(arrays * a.nbytes / seconds, way)

        return Streams(
            threads,
            a.nbytes,
            cache,
            copy=rate(2, "np.copyto", lambda part: np.copyto(out[part], a[part])),
            add=rate(3, "np.add(out=)", lambda part: np.add(a[part], b[part], out=out[part])),
            sum=rate(1, "np.sum", lambda part: a[part].sum()),
        )


def measure_gather(
    weight: np.ndarray, indices: Sequence[np.ndarray], threads: int, looks: int = 8
) -> Rate:
    """Gather rows of a table by `np.take(mode="clip", out=)`, the traces in turn.

    The traces are one-dimensional and of one length. Each thread has a part of every trace, and
    does not wait for the others: a gather takes some 50 microseconds, and waiting after each would
    halve the rate.
    """
    count = indices[0].size
    out = np.empty((count, weight.shape[1]), weight.dtype)
    moved = gathered_bytes(weight, indices)
    rates = []
    # More threads are not always faster, so the better one of both counts.
    for used in sorted({1, threads}):
        gathers = [
            partial(_gather, weight, [rows[part] for rows in indices], out[part])
            for part in _parts(count, used)
        ]
        seconds = seconds_together(gathers, looks) / len(indices)
        rates.append(Rate(moved / seconds, f'np.take(mode="clip", out=), {used} threads'))
    return max(rates, key=lambda rate: rate.bytes_per_second)


def _gather(weight: np.ndarray, traces: Sequence[np.ndarray], out: np.ndarray) -> None:
    for rows in traces:
        np.take(weight, rows, axis=0, mode="clip", out=out)


def measure_hot_copy(table_bytes: float, threads: int, looks: int = 8) -> Rate:
    """Measure copies in each core's caches; two arrays together take as much as the cell's rows."""
    # Two arrays of 8 bytes an element.
    size = max(int(table_bytes) // 16, 4096)
    arrays = [(np.empty(size), np.ones(size)) for _ in range(threads)]
    seconds = seconds_together([partial(np.copyto, *pair) for pair in arrays], looks)
    return Rate(2 * 8 * size * threads / seconds, f"np.copyto in cache, {threads} threads")


def seconds_together(actions: Sequence[Callable[[], Any]], looks: int) -> float:
    """Run actions at the same time, each in a thread; return the best seconds of one repetition.

    Each thread repeats its action for about a block's time, and the slowest thread counts.
    """
    with few_cores(len(actions)):
        calls = max(1, math.ceil(BLOCK_SECONDS / best_seconds(actions[0], 1)))
        return min(_together(actions, calls) for _ in range(looks)) / calls


def _together(actions: Sequence[Callable[[], Any]], calls: int) -> float:
    """Return the seconds of the slowest of some threads that begin at the same time."""
    begin = Barrier(len(actions))
    seconds = []

    def repeat(action: Callable[[], Any]) -> None:
        begin.wait()
        started = time.perf_counter()
        for _ in range(calls):
            action()
        seconds.append(time.perf_counter() - started)

    threads = [Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # An exception in a thread does not reach this one; only the thread's time is missing.
    if len(seconds) < len(actions):
        raise RuntimeError("a thread that measures a ceiling failed; its error stands above")
    return max(seconds)


def gather_indices(rows: int, traces: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the rows that a gather reads: the cell's own, with their repeats.

    The rows are random if the traces are so short that a call would be mostly overhead.
    """
    long = [trace.reshape(-1) for trace in traces if trace.size >= MIN_GATHERED]
    if long:
        shortest = min(trace.size for trace in long)
        return [trace[:shortest] for trace in long]
    generator = np.random.default_rng(20260101)
    return [generator.integers(rows, size=MIN_GATHERED) for _ in traces]


def gathered_bytes(weight: np.ndarray, indices: Sequence[np.ndarray]) -> float:
    """Count the bytes that a gather must move: each row once, the output and the indices."""
    row = weight.shape[1] * weight.itemsize
    unique = float(np.mean([np.unique(found).size for found in indices]))
    return float(unique * row + indices[0].size * (row + indices[0].itemsize))


def best_seconds(action: Callable[[], Any], looks: int) -> float:
    """Return the seconds of one call, in the best of several blocks."""
    # Once without the clock, so that caches and pages are as later calls find them.
    action()
    calls, best = 1, _block(action, 1)
    while best * calls < BLOCK_SECONDS and calls < 10**6:
        calls *= 2
        best = _block(action, calls)
    return min([best, *(_block(action, calls) for _ in range(looks))])


def _parts(count: int, threads: int) -> list[slice]:
    bounds = np.linspace(0, count, threads + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


@contextmanager
def splitting(count: int, threads: int) -> Iterator[Split]:
    """Yield a function that runs an action on every part of a range, each in its own thread."""
    parts = _parts(count, threads)
    # A pool of one thread would add its dispatch to the time.
    if threads == 1:
        with few_cores(1):
            yield lambda action: action(parts[0])
        return
    with few_cores(threads), ThreadPoolExecutor(threads) as pool:
        # The list waits for all parts, and raises what any of them has raised.
        yield lambda action: list(pool.map(action, parts)).clear()


def _block(action: Callable[[], Any], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        action()
    return (time.perf_counter() - started) / calls
